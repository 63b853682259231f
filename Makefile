# SPDX-License-Identifier: GPL-3.0-or-later
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/kalico-flash
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
BASHDIR    ?= $(DATADIR)/bash-completion/completions
ZSHDIR     ?= $(DATADIR)/zsh/site-functions
FISHDIR    ?= $(DATADIR)/fish/vendor_completions.d
UNITDIR    ?= $(PREFIX)/lib/systemd/system
UDEVDIR    ?= $(PREFIX)/lib/udev/rules.d
DOCDIR     ?= $(DATADIR)/doc/kalico-flash
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
CFLAGS     ?= -O2 -g

VERSION    := $(shell sed -n '1s/.*(\([^-)]*\).*/\1/p' debian/changelog)
# The year of the release: a clock that shows an earlier one is wrong.
YEAR       := $(shell sed -n '/^ -- /{s/.* \([0-9]\{4\}\) [0-9:]* [+-].*/\1/p;q}' debian/changelog)
PACKAGES   := libudev jansson zlib libsystemd libmd libusb-1.0

# pkg-config is asked once, and not before something is compiled: "make deps" installs it.
ask         = $(eval $(1) := $(shell $(PKG_CONFIG) $(2)))$($(1))
PKG_CFLAGS  = $(call ask,PKG_CFLAGS,--cflags $(PACKAGES))
PKG_LDLIBS  = $(call ask,PKG_LDLIBS,--libs $(PACKAGES))
SIM_CFLAGS  = $(call ask,SIM_CFLAGS,--cflags umockdev-1.0)
SIM_LDLIBS  = $(call ask,SIM_LDLIBS,--libs umockdev-1.0)

# Ours are separate from the packager's CFLAGS, which may replace any default.
KF_CFLAGS   = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DKF_VERSION='"$(VERSION)"' -DKF_YEAR=$(YEAR) -Ilib \
	      -MMD -MP -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wwrite-strings \
	      $(PKG_CFLAGS)
# Each program keeps only the functions of libkf.a that it calls.
KF_CFLAGS  += -ffunction-sections -fdata-sections
KF_LDFLAGS  = -Wl,--as-needed -Wl,--gc-sections

comma      := ,
ifdef SANITIZE
B          ?= build/$(subst $(comma),-,$(SANITIZE))
KF_CFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
# umockdev is preloaded in tests, and a shared libasan would insist on being before it.
KF_LDFLAGS += $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)
# Most of the start and the end of a sanitized program is page faults. With no relocations, and with large pages
# (huge.c), it has half as many.
KF_LDFLAGS += -no-pie -Wl,-z,max-page-size=0x200000
EARLY      := $(B)/tests/sanitize/huge.o
else
B          ?= build
endif

# Two programs have more than one name: tools/names.h.
LINKS_kf-config := kf-build kf-status
LINKS_kf-flash  := kf-doctor
LINKS   := $(LINKS_kf-config) $(LINKS_kf-flash)
TOOLS   := $(filter-out $(LINKS),$(patsubst tools/%.c,%,$(wildcard tools/*.c)))
HELPERS := $(filter kf-leased,$(TOOLS))
UNIT    := $(patsubst %.c,$(B)/%,$(filter-out %/all.c,$(wildcard tests/unit/*.c)))
LIB     := $(patsubst %.c,$(B)/%.o,$(wildcard lib/*/*.c))
SIM     := $(patsubst %.c,$(B)/%.o,$(filter-out %/kf-sim.c %/preload.c,$(wildcard tests/sim/*.c)))
KF_SIM  := $(patsubst tests/sim/%.c,$(B)/%,$(wildcard tests/sim/kf-sim.c))
SIM_SO  := $(KF_SIM:=.so)
AVR_SIM := $(B)/tests/simavr/board
UML_SO  := $(B)/tests/can/ptrace.so
FAULTS  := $(B)/tests/faults/campaign
BENCH   := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
FUZZ    := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*.c))
# What a step makes; V=1 shows the commands.
show     = $(if $(V),,$(info $()  $(1) $@)@)
LINK     = $(call show,LINK)$(CC) $(KF_CFLAGS) $(CFLAGS) $(KF_LDFLAGS) $(LDFLAGS) -o $@ $(EARLY) $(filter %.o,$^) $(filter %.a,$^) $(PKG_LDLIBS) $(LDLIBS)
quote    = '$(subst ','\'',$(1))'
# A make below this one, on all processors if nobody said how many.
SUBMAKE  = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

all: $(TOOLS:%=$(B)/%) $(LINKS:%=$(B)/%)
sim: $(KF_SIM) $(SIM_SO)
unit: $(UNIT)
tests: all sim unit $(UML_SO) $(FAULTS)

$(B)/tests/%.o: KF_CFLAGS += -Itests
$(B)/tests/sim/%.o $(B)/tests/faults/%.o: KF_CFLAGS += $(SIM_CFLAGS)
# A folder for the objects is made once, not for each of them.
$(B)/%/:
	@mkdir -p $@
.SECONDEXPANSION:
$(B)/%.o: %.c Makefile | $$(@D)/
	$(call show,CC  )$(CC) $(KF_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LATE_CFLAGS) -c -o $@ $<

# The linker takes from it only what a program calls: kf-scan does not load libsystemd.
$(B)/libkf.a: $(LIB) | $(EARLY)
$(B)/libsim.a: $(SIM)
$(B)/%.a:
	@rm -f $@
	$(call show,AR  )$(AR) rcD $@ $^

$(TOOLS:%=$(B)/%): $(B)/%: $(B)/tools/%.o $(B)/libkf.a
	$(LINK)
# Some have several parts, one a concept.
$(foreach t,$(TOOLS),$(eval $(B)/$(t): $(patsubst %.c,$(B)/%.o,$(wildcard tools/$(t)/*.c))))
$(foreach t,kf-config kf-flash,$(eval $(B)/$(t): $(LINKS_$(t):%=$(B)/tools/%.o)) \
	$(eval $(LINKS_$(t):%=$(B)/%): $(B)/$(t); @ln -sf $(t) $$@))
$(KF_SIM): $(B)/tests/sim/kf-sim.o $(B)/libsim.a $(B)/libkf.a
	$(LINK) $(SIM_LDLIBS)
# It is preloaded into programs of every kind, and these have no sanitizer's library.
$(SIM_SO): tests/sim/preload.c Makefile
	@mkdir -p $(@D)
	$(call show,LINK)$(CC) $(KF_CFLAGS) $(CPPFLAGS) $(CFLAGS) -fno-sanitize=all -fPIC -shared $(LDFLAGS) -o $@ $<
# Into user-mode Linux, of which nothing here is built with a sanitizer.
$(UML_SO): tests/can/ptrace.c Makefile
	@mkdir -p $(@D)
	$(call show,LINK)$(CC) $(KF_CFLAGS) $(CPPFLAGS) $(CFLAGS) -fno-sanitize=all -fPIC -shared $(LDFLAGS) -o $@ $<
# Its CAN bus is its own: hub.c. So is the line to a UART: lab.c. A call inside the file of such a function
# is not wrapped: usb/text.c is a file of its own for that.
WRAPPED := kf_usb_open kf_usb_closep kf_usb_alternates kf_usb_descriptor kf_usb_claim kf_usb_control kf_usb_bulk \
	   kf_usb_clear_halt kf_usb_failed kf_link_uart_baud kf_can_socket kf_can_socket_send kf_can_socket_receive kf_can_state_check kf_can_state_explain
$(FAULTS): KF_LDFLAGS += $(WRAPPED:%=-Wl,--wrap=%)
$(FAULTS): $(patsubst %.c,$(B)/%.o,$(wildcard tests/faults/*.c)) $(B)/libsim.a $(B)/libkf.a
	$(LINK)
# Their USB device is their own.
USB     := kf_usb_alternates kf_usb_descriptor kf_usb_text kf_usb_claim kf_usb_control kf_usb_failed
$(B)/tests/unit/test-dfu-session: KF_LDFLAGS += $(USB:%=-Wl,--wrap=%)
# Built for its check alone: no other test needs simavr.
$(AVR_SIM): $(B)/tests/simavr/board.o $(B)/libsim.a $(B)/libkf.a
	$(LINK) -lsimavr
$(FUZZ) $(BENCH): $(B)/%: $(B)/%.o $(B)/libsim.a $(B)/libkf.a
	$(LINK)
# One program with a name for each of them: unit/program.h. Those that have a function of their own in place of
# one of libkf's are programs for themselves.
ALONE   := $(patsubst %.c,$(B)/%,$(shell grep -lE '^(int|bool|void) (__wrap_)?kf_' tests/unit/*.c))
JOINED  := $(filter-out $(ALONE),$(UNIT))
$(ALONE): %: %.o
$(B)/tests/unit/all: $(JOINED:=.o)
$(ALONE) $(B)/tests/unit/all: $(B)/tests/unit/all.o $(B)/libsim.a $(B)/libkf.a
	$(LINK)
$(JOINED): $(B)/tests/unit/all
	@ln -sf all $@
# They are compiled more often than they run; _FORTIFY_SOURCE wants a compiler that optimizes, --wrap one without LTO.
$(B)/tests/unit/%.o: LATE_CFLAGS = -O0 -fno-lto -U_FORTIFY_SOURCE

# What is missing is installed (Debian, root or sudo): for the build and its tests, or for one target alone.
deps deps-avr deps-can deps-demo deps-lint deps-fuzz:
	@tests/deps $(@:deps-%=%)
check: deps
	+@$(SUBMAKE) tests
	@tests/run -q $(B)
# All tests, also those that take long.
check-all: deps
	+@$(SUBMAKE) tests
	@tests/run $(B)
check-sim: deps
	+@$(SUBMAKE) tests
	@tests/run $(B) $$(grep -l kf-sim tests/*.bats)
# The genuine bootloaders of Debian's arduino packages, on simavr.
check-avr: deps deps-avr
	+@$(SUBMAKE) tests $(AVR_SIM)
	@tests/run $(B) tests/simavr/bootloaders.bats
# In user-mode Linux, whose kernel has SocketCAN: all of tests/can, or TESTS="FILE...".
check-can: deps deps-can
	+@$(SUBMAKE) tests
	@tests/can/run $(B) $(TESTS)
# As root: a Debian of its own, booted by systemd-nspawn; all of tests/systemd, or TESTS="NAME...".
check-systemd: deps
	+@$(SUBMAKE) all
	@tests/systemd/run $(B) $(TESTS)
# As root: the packages of "make deb" in another.
check-package: deps
	@tests/package/run $(B)
# As root: the packages and the unit tests of "make deb ARCH=", by qemu.
check-foreign: deps
	@tests/package/foreign $(B) $(or $(ARCH),$(error ARCH= names the architecture))
check-faults: deps
	+@$(SUBMAKE) tests
	@tests/faults/run $(B)
# As root: what takes too long for the gate.
nightly: deps
	@env -u MAKEFLAGS -u MAKELEVEL tests/nightly $(B)
demo: deps-demo
	+@$(SUBMAKE) all sim
	@PATH="$(abspath $(B)):$$PATH" tests/demo
lint: deps-lint
	@tests/lint
cflags:
	@printf '%s\n' $(call quote,$(filter-out -MMD -MP,$(KF_CFLAGS)) -Itests $(SIM_CFLAGS))
coverage: deps
	+@$(SUBMAKE) B=build/coverage CFLAGS='-O0 -g --coverage' tests
	@tests/run build/coverage
	@tests/coverage build/coverage
fuzz: deps-fuzz
	+@$(SUBMAKE) B=build/fuzz CC=clang \
		CFLAGS='-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' \
		LDFLAGS=-fsanitize=fuzzer fuzzers
	@tests/fuzz/run build/fuzz
fuzzers: $(FUZZ)
bench: deps
	+@$(SUBMAKE) all sim $(UML_SO) $(BENCH) $(filter %-window,$(UNIT))
	@tests/bench/run $(B)
# ARCH= and SUITE= name another architecture and another Debian: these need root, and mmdebstrap.
deb: deps
	@debian/build build/deb$(ARCH:%=-%)$(SUITE:%=-%) $(if $(ARCH)$(SUITE),$(or $(ARCH),$(shell dpkg --print-architecture)) $(SUITE))
# The packages that were built, as a repository for apt that KEY (of gpg's) signs.
apt-repo: deps
	@debian/apt-repo build/apt $(or $(KEY),$(error KEY= names the key that signs: gpg --list-secret-keys))

D       := $(call quote,$(DESTDIR))
SHARE   := $(DATADIR)/kalico-flash
BINS    := $(filter-out $(HELPERS),$(TOOLS))
NAMES   := $(BINS) $(LINKS)
# bash and fish look for a completion by the name of its command.
TYPED   := $(NAMES) kf-sim
UNITS   := kalico-flash.socket kalico-flash@.service kalico-flash-settle.service
PAGES   := $(filter-out man/kf-sim.1,$(wildcard man/*.[1578]))

install: all
	$(INSTALL) -d $D$(BINDIR) $(HELPERS:%=$D$(LIBEXECDIR)) $D$(SHARE) $D$(BASHDIR) $D$(ZSHDIR) $D$(FISHDIR) \
		$D$(UNITDIR) $D$(UDEVDIR) $D$(DOCDIR)/docs $(patsubst %,$D$(MANDIR)/man%,1 5 7 8)
	$(INSTALL) -m 0755 $(BINS:%=$(B)/%) $D$(BINDIR)
	for f in $(LINKS); do cp -P $(B)/$$f $D$(BINDIR); done
	for f in $(HELPERS); do $(INSTALL) -m 0755 $(B)/$$f $D$(LIBEXECDIR); done
	$(INSTALL) -m 0644 tools/kalico-flash.socket $D$(UNITDIR)
	for f in $(filter %.service,$(UNITS)); do sed -e '/@COMMON@/{r tools/sandbox.conf' -e 'd}' \
		-e 's|@LIBEXECDIR@|$(LIBEXECDIR)|' tools/$$f.in >$D$(UNITDIR)/$$f && chmod 0644 $D$(UNITDIR)/$$f; done
	$(INSTALL) -m 0644 udev/60-kalico-flash.rules $D$(UDEVDIR)
	for f in $(PAGES); do $(INSTALL) -m 0644 $$f $D$(MANDIR)/man$${f##*.}; done
	$(INSTALL) -m 0644 lib/board/kf-record.schema.json lib/systemd/kf-service.schema.json $D$(SHARE)
	$(INSTALL) -m 0644 README.md $D$(DOCDIR)
	$(INSTALL) -m 0644 docs/*.md $D$(DOCDIR)/docs
	$(INSTALL) -m 0644 completions/kf.bash $D$(BASHDIR)/kf
	for f in $(filter-out kf,$(TYPED)); do ln -sf kf $D$(BASHDIR)/$$f && ln -sf kf.fish $D$(FISHDIR)/$$f.fish; done
	$(INSTALL) -m 0644 completions/_kf $D$(ZSHDIR)
	$(INSTALL) -m 0644 completions/kf.fish $D$(FISHDIR)
install-sim: sim
	$(INSTALL) -d $D$(BINDIR) $D$(LIBEXECDIR) $D$(SHARE)/sim $D$(MANDIR)/man1
	$(INSTALL) -m 0755 $(KF_SIM) $D$(BINDIR)
	$(INSTALL) -m 0644 $(SIM_SO) $D$(LIBEXECDIR)
	$(INSTALL) -m 0644 man/kf-sim.1 $D$(MANDIR)/man1
	$(INSTALL) -m 0755 tests/demo $D$(SHARE)
	cp -r tests/sim/tree $D$(SHARE)/sim
	rm $D$(SHARE)/sim/tree/README.md
uninstall:
	# Not from a packager's folder: a socket that nothing serves would stay enabled.
	$(if $(DESTDIR),,-[ ! -d /run/systemd/system ] || systemctl disable --now kalico-flash.socket)
	cd $D$(BINDIR) && rm -f $(NAMES) kf-sim
	cd $D$(BASHDIR) && rm -f $(TYPED)
	cd $D$(FISHDIR) && rm -f $(TYPED:%=%.fish)
	rm -f $D$(ZSHDIR)/_kf $(UNITS:%=$D$(UNITDIR)/%) \
		$D$(UDEVDIR)/60-kalico-flash.rules
	cd $D$(MANDIR) && rm -f $(foreach p,$(PAGES) man/kf-sim.1,man$(subst .,,$(suffix $p))/$(notdir $p))
	rm -rf $D$(SHARE) $D$(DOCDIR) $D$(LIBEXECDIR)
clean:
	rm -rf build

.PHONY: all sim unit tests cflags deps deps-avr deps-can deps-demo deps-lint deps-fuzz check check-all check-avr check-can check-faults check-foreign check-package check-sim check-systemd demo lint coverage fuzz nightly \
	fuzzers bench deb apt-repo install install-sim uninstall clean
.SECONDARY:
-include $(wildcard $(B)/*/*/*.d $(B)/*/*.d)
