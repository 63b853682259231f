/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into Debian 12's linux.uml. It keeps 2696 bytes of a process' XSAVE registers
 * (Linux 6.1, arch/x86/um/user-offsets.c), but on a processor with AMX there are 11008, and a
 * host's kernel takes all or none (arch/x86/kernel/fpu/regset.c): init would be killed. The rest is
 * AMX's, which no process in user-mode Linux may ask for: it is written as zeros. A processor
 * without AVX-512 has fewer than 2696: it gets as many as it has.
 */
#include <dlfcn.h>
#include <elf.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REGISTERS_MAX 65536

typedef long ptrace_function(int request, pid_t pid, void *address, void *data);

/*
 * Write UML's bytes, and zeros behind them to the size that the host's kernel has: that takes the
 * first bytes of a longer set by itself. UML's own stack is too small for all of it. A signal may
 * bring another of its processes here: signals are blocked.
 */
static long set_registers(ptrace_function *next, pid_t pid, void *set, struct iovec *part)
{
	static char registers[REGISTERS_MAX];
	static size_t size;
	struct iovec all = { registers, size ? size : sizeof(registers) };
	sigset_t every, before;
	long r = 0;

	if (size && size <= part->iov_len)
		return next(PTRACE_SETREGSET, pid, set, part);
	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, &before);
	if (size == 0)
		r = next(PTRACE_GETREGSET, pid, set, &all);
	if (r == 0) {
		size = all.iov_len;
		if (size > part->iov_len) {
			memcpy(registers, part->iov_base, part->iov_len);
			memset(registers + part->iov_len, 0, size - part->iov_len);
			r = next(PTRACE_SETREGSET, pid, set, &all);
		} else {
			r = next(PTRACE_SETREGSET, pid, set, part);
		}
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* In the C library's place. */
long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_function *next;
	va_list ap;
	pid_t pid;
	void *address, *data;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	address = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	if (!next)
		next = (ptrace_function *)dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_registers(next, pid, address, data);
	return next((int)request, pid, address, data);
}
