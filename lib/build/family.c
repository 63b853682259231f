/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Read in Klipper v0.13.0-730 and Kalico v2026.07.00-30. Each constant is older than the support of
 * its chip or of CAN, except CANBUS_FREQUENCY (2022-07): if that is missing, the user is asked.
 */
#include <fnmatch.h>
#include <string.h>

#include "build/family.h"
#include "core/text.h"

static const struct kf_family families[] = {
	{ .mcus = { "stm32*", "at32f4*", "n32g4*" },
	  .mach = "MACH_STM32",
	  .folder = "stm32",
	  .bridge = "STM32_USBCANBUS_PA11_PA12",
	  .offset = "STM32_FLASH_START_",
	  .base = 0x08000000 },
	{ .mcus = { "rp2040", "rp2350*" },
	  .mach = "MACH_RPXXXX",
	  .folder = "rp2040",
	  .usb = "RPXXXX_USB",
	  .can = "RPXXXX_CANBUS",
	  .bridge = "RPXXXX_USBCANBUS",
	  .offset = "RPXXXX_FLASH_START_",
	  .base = 0x10000000 },
	{ .mcus = { "lpc176*" },
	  .mach = "MACH_LPC176X",
	  .folder = "lpc176x",
	  .usb = "LPC_USB",
	  .bridge = "LPC_USBCANBUS",
	  .offset = "LPC_FLASH_START_" },
	{ .mcus = { "sam3*", "sam4*", "same70*" },
	  .mach = "MACH_ATSAM",
	  .folder = "atsam",
	  .usb = "ATSAM_USB",
	  .serial = "ATSAM_SERIAL",
	  .bridge = "ATSAM_USBCANBUS" },
	{ .mcus = { "samc21*", "samd21*", "samd51*", "same51*", "same54*" },
	  .mach = "MACH_ATSAMD",
	  .folder = "atsamd",
	  .usb = "ATSAMD_USB",
	  .serial = "ATSAMD_SERIAL",
	  .bridge = "ATSAMD_USBCANBUS",
	  .offset = "SAMD_FLASH_START_" },
	{ .mcus = { "atmega*", "at90usb*", "lgt8f*" },
	  .mach = "MACH_AVR",
	  .folder = "avr",
	  .usb = "AVR_USB" },
	{ .mcus = { "hc32f460*" },
	  .mach = "MACH_HC32F460",
	  .folder = "hc32f460",
	  .offset = "HC32F460_FLASH_APPLICATION_ADDRESS_0x" },
	{ .mcus = { "linux" }, .mach = "MACH_LINUX", .folder = "linux" },
	{ .mcus = { "pru" }, .mach = "MACH_PRU", .folder = "pru" },
	{ .mcus = { "ar100" }, .mach = "MACH_AR100", .folder = "ar100" },
};

#define USB    "RESERVE_PINS_USB"
#define UART   "RESERVE_PINS_serial"
#define CAN    "RESERVE_PINS_CAN"
#define XTAL   "RESERVE_PINS_crystal"
#define CLOCK  "CLOCK_FREQ"
#define SAMX5  "sam[de]5*"
#define SAMD21 "samd21*"

/* If two rows fit, nothing tells which is right: the user is asked. */
static const struct row {
	const char *folder, *mcu; /* mcu: a pattern, NULL: all */
	enum kf_subject subject;
	const char *constant, *value; /* value NULL: the constant is not there */
	const char *symbol;
} rows[] = {
#define COMM KF_SUBJECT_COMM
	{ "stm32", NULL, COMM, USB, "PA11,PA12", "STM32_USB_PA11_PA12" },
	{ "stm32", "stm32f042*", COMM, USB, "PA11,PA12", "STM32_USB_PA11_PA12_REMAP" },
	{ "stm32", NULL, COMM, USB "1", "PB14,PB15", "STM32_USB_PB14_PB15" },
	{ "stm32", NULL, COMM, UART, "PA10,PA9", "STM32_SERIAL_USART1" },
	{ "stm32", NULL, COMM, UART, "PB7,PB6", "STM32_SERIAL_USART1_ALT_PB7_PB6" },
	{ "stm32", NULL, COMM, UART, "PA3,PA2", "STM32_SERIAL_USART2" },
	{ "stm32", NULL, COMM, UART, "PA15,PA14", "STM32_SERIAL_USART2_ALT_PA15_PA14" },
	{ "stm32", NULL, COMM, UART, "PB4,PB3", "STM32_SERIAL_USART2_ALT_PB4_PB3" },
	{ "stm32", NULL, COMM, UART, "PD6,PD5", "STM32_SERIAL_USART2_ALT_PD6_PD5" },
	{ "stm32", NULL, COMM, UART, "PB11,PB10", "STM32_SERIAL_USART3" },
	{ "stm32", NULL, COMM, UART, "PD9,PD8", "STM32_SERIAL_USART3_ALT_PD9_PD8" },
	{ "stm32", NULL, COMM, UART, "PC11,PC10", "STM32_SERIAL_USART3_ALT_PC11_PC10" },
	{ "stm32", NULL, COMM, UART, "PA1,PA0", "STM32_SERIAL_UART4" },
	{ "stm32", NULL, COMM, UART, "PD2,PD3", "STM32_SERIAL_USART5" },
	{ "stm32", NULL, COMM, UART, "PA12,PA11", "STM32_SERIAL_USART6" },
	{ "stm32", NULL, COMM, UART, "PC7,PC6", "STM32_SERIAL_USART6_ALT_PC7_PC6" },
	{ "stm32", NULL, COMM, CAN, "PA11,PA12", "STM32_CANBUS_PA11_PA12" },
	{ "stm32", "stm32f042*", COMM, CAN, "PA11,PA12", "STM32_CANBUS_PA11_PA12_REMAP" },
	{ "stm32", NULL, COMM, CAN, "PA11,PB9", "STM32_CANBUS_PA11_PB9" },
	{ "stm32", NULL, COMM, CAN, "PB8,PB9", "STM32_MMENU_CANBUS_PB8_PB9" },
	{ "stm32", NULL, COMM, CAN, "PI9,PH13", "STM32_MMENU_CANBUS_PI9_PH13" },
	{ "stm32", NULL, COMM, CAN, "PB5,PB6", "STM32_MMENU_CANBUS_PB5_PB6" },
	{ "stm32", NULL, COMM, CAN, "PB12,PB13", "STM32_MMENU_CANBUS_PB12_PB13" },
	{ "stm32", NULL, COMM, CAN, "PD0,PD1", "STM32_MMENU_CANBUS_PD0_PD1" },
	{ "stm32", NULL, COMM, CAN, "PB0,PB1", "STM32_MMENU_CANBUS_PB0_PB1" },
	{ "stm32", NULL, COMM, CAN, "PD12,PD13", "STM32_MMENU_CANBUS_PD12_PD13" },
	{ "stm32", NULL, COMM, CAN, "PC2,PC3", "STM32_MMENU_CANBUS_PC2_PC3" },
	{ "stm32", NULL, COMM, CAN, "PH14,PH13", "STM32_MMENU_CANBUS_PH13_PH14" },
	{ "lpc176x", NULL, COMM, UART, "P0.3,P0.2", "LPC_SERIAL_UART0_P03_P02" },
	{ "lpc176x", NULL, COMM, UART, "P4.29,P4.28", "LPC_SERIAL_UART3_P429_P428" },
	{ "lpc176x", NULL, COMM, CAN, "P0.0,P0.1", "LPC_MMENU_CANBUS_P0_0_P0_1" },
	{ "lpc176x", NULL, COMM, CAN, "P0.21,P0.22", "LPC_MMENU_CANBUS_P0_21_P0_22" },
	{ "lpc176x", NULL, COMM, CAN, "P0.4,P0.5", "LPC_MMENU_CANBUS_P0_4_P0_5" },
	{ "lpc176x", NULL, COMM, CAN, "P2.7,P2.8", "LPC_MMENU_CANBUS_P2_7_P2_8" },
	{ "atsam", NULL, COMM, CAN, "PC12,PD12", "ATSAM_MMENU_CANBUS_PC12_PD12" },
	{ "atsam", NULL, COMM, CAN, "PB3,PB2", "ATSAM_MMENU_CANBUS_PB3_PB2" },
	{ "atsamd", NULL, COMM, CAN, "PA23,PA22", "ATSAMD_MMENU_CANBUS_PA23_PA22" },
	{ "atsamd", NULL, COMM, CAN, "PA25,PA24", "ATSAMD_MMENU_CANBUS_PA25_PA24" },
	{ "atsamd", NULL, COMM, CAN, "PB11,PB10", "ATSAMD_MMENU_CANBUS_PB11_PB10" },
	{ "atsamd", NULL, COMM, CAN, "PB13,PB12", "ATSAMD_MMENU_CANBUS_PB13_PB12" },
	{ "atsamd", NULL, COMM, CAN, "PB15,PB14", "ATSAMD_MMENU_CANBUS_PB15_PB14" },
	{ "avr", NULL, COMM, UART, "PE0,PE1", "AVR_SERIAL_UART0" },
	{ "avr", NULL, COMM, UART, "PD0,PD1", "AVR_SERIAL_UART0" },
	{ "avr", NULL, COMM, UART, "PD2,PD3", "AVR_SERIAL_UART1" },
	{ "avr", NULL, COMM, UART, "PH0,PH1", "AVR_SERIAL_UART2" },
	{ "avr", NULL, COMM, UART, "PJ0,PJ1", "AVR_SERIAL_UART3" },
	{ "hc32f460", NULL, COMM, UART, "PA7,PA8", "HC32F460_SERIAL_PA7_PA8" },
	{ "hc32f460", NULL, COMM, UART, "PA13,PA14", "HC32F460_SERIAL_PA13_PA14" },
	{ "hc32f460", NULL, COMM, UART, "PA3,PA2", "HC32F460_SERIAL_PA3_PA2" },
	{ "hc32f460", NULL, COMM, UART, "PH2,PB10", "HC32F460_SERIAL_PH2_PB10" },
	{ "hc32f460", NULL, COMM, UART, "PA15,PA9", "HC32F460_SERIAL_PA15_PA9" },
	{ "hc32f460", NULL, COMM, UART, "PC0,PC1", "HC32F460_SERIAL_PC0_PC1" },
#undef COMM
	/* All these chips have the name stm32f103xe. N32G452 and N32G455 are the same firmware. */
	{ "stm32", "stm32f103*", KF_SUBJECT_MODEL, CLOCK, "72000000", "MACH_STM32F103" },
	{ "stm32", "stm32f103*", KF_SUBJECT_MODEL, CLOCK, "64000000", "MACH_STM32F103" },
	{ "stm32", "stm32f103*", KF_SUBJECT_MODEL, CLOCK, "64000000", "MACH_N32G452" },
	{ "stm32", "stm32f103*", KF_SUBJECT_MODEL, CLOCK, "128000000", "MACH_N32G452" },
	{ "stm32", "stm32f103*", KF_SUBJECT_MODEL, CLOCK, "240000000", "MACH_AT32F403" },
	/* Firmware for a crystal reserves its pins, except on the F1 and F2. */
	{ "stm32", "stm32f[047]*", KF_SUBJECT_CRYSTAL, XTAL, NULL, "STM32_CLOCK_REF_INTERNAL" },
	{ "stm32", "stm32[ghl]*", KF_SUBJECT_CRYSTAL, XTAL, NULL, "STM32_CLOCK_REF_INTERNAL" },
	{ "stm32", "stm32f103*", KF_SUBJECT_CRYSTAL, CLOCK, "64000000",
	  "STM32_CLOCK_REF_INTERNAL" },
	{ "atsamd", SAMD21, KF_SUBJECT_CRYSTAL, XTAL, "PA0,PA1", "CLOCK_REF_X32K" },
	{ "atsamd", SAMX5, KF_SUBJECT_CRYSTAL, XTAL, "PA0,PA1", "CLOCK_REF_X32K" },
	{ "atsamd", SAMX5, KF_SUBJECT_CRYSTAL, XTAL, "PB22,PB23", "CLOCK_REF_X25M" },
	{ "atsamd", SAMX5, KF_SUBJECT_CRYSTAL, XTAL, "PA14,PA15", "CLOCK_REF_X25M_XOSC0" },
	{ "atsamd", SAMD21, KF_SUBJECT_CRYSTAL, XTAL, NULL, "CLOCK_REF_INTERNAL" },
	{ "atsamd", SAMX5, KF_SUBJECT_CRYSTAL, XTAL, NULL, "CLOCK_REF_INTERNAL" },
	{ "atsamd", SAMX5, KF_SUBJECT_CLOCK, CLOCK, "120000000", "SAMD51_FREQ_120" },
	{ "atsamd", SAMX5, KF_SUBJECT_CLOCK, CLOCK, "150000000", "SAMD51_FREQ_150" },
	{ "atsamd", SAMX5, KF_SUBJECT_CLOCK, CLOCK, "180000000", "SAMD51_FREQ_180" },
	{ "atsamd", SAMX5, KF_SUBJECT_CLOCK, CLOCK, "200000000", "SAMD51_FREQ_200" },
	{ "avr", NULL, KF_SUBJECT_CLOCK, CLOCK, "8000000", "AVR_FREQ_8000000" },
	{ "avr", NULL, KF_SUBJECT_CLOCK, CLOCK, "16000000", "AVR_FREQ_16000000" },
	{ "avr", NULL, KF_SUBJECT_CLOCK, CLOCK, "20000000", "AVR_FREQ_20000000" },
	{ "avr", NULL, KF_SUBJECT_CLOCK, CLOCK, "32000000", "AVR_FREQ_32000000" },
	{ "hc32f460", NULL, KF_SUBJECT_CLOCK, CLOCK, "168000000", "HC32F460_CLOCK_SPEED_168M" },
	{ "hc32f460", NULL, KF_SUBJECT_CLOCK, CLOCK, "200000000", "HC32F460_CLOCK_SPEED_200M" },
};

/*
 * Features that a build can leave out since 2023. If an older feature is missing, the build left it
 * out. If a newer one is missing, the firmware may just be old; but a small chip has no room for
 * more features than it has now.
 */
static const struct {
	const char *command, *symbol;
	bool newer;
} features[] = {
	{ "config_analog_in", "WANT_ADC", false },
	{ "config_spi", "WANT_SPI", false },
	{ "config_i2c", "WANT_I2C", false },
	{ "config_pwm_out", "WANT_HARD_PWM", false },
	{ "config_buttons", "WANT_BUTTONS", false },
	{ "config_tmcuart", "WANT_TMCUART", false },
	{ "config_neopixel", "WANT_NEOPIXEL", false },
	{ "config_counter", "WANT_PULSE_COUNTER", false },
	{ "config_st7920", "WANT_ST7920", false },
	{ "config_hd44780", "WANT_HD44780", false },
	{ "config_adxl345", "WANT_ADXL345", false },
	{ "config_thermocouple", "WANT_THERMOCOUPLE", false },
	{ "config_lis2dw", "WANT_LIS2DW", true },
	{ "config_bmi160", "WANT_BMI160", true },
	{ "config_mpu9250", "WANT_MPU9250", true },
	{ "config_icm20948", "WANT_ICM20948", true },
	{ "config_hx71x", "WANT_HX71X", true },
	{ "config_ads1220", "WANT_ADS1220", true },
	{ "config_ads131m0x", "WANT_ADS131M0X", true },
	{ "config_ldc1612", "WANT_LDC1612", true },
	{ "config_spi_angle", "WANT_SENSOR_ANGLE", true },
};

/* Does Kconfig have HAVE_LIMITED_CODE_SIZE for this MCU? */
static bool is_small(const char *mcu)
{
	static const char *const small[] = { "atmega168",  "atmega328*", "atmega32u4",
					     "lgt8f328p*", "stm32f031*", "stm32f042*" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(small); i++)
		if (fnmatch(small[i], mcu, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

static const struct {
	const char *name, *symbols[6];
} subjects[KF_SUBJECT_COUNT] = {
	[KF_SUBJECT_MODEL] = { "processor model", { "MACH_*" } },
	[KF_SUBJECT_OFFSET] = { "bootloader offset",
				{ "*_FLASH_START_*", "*_FLASH_APPLICATION_ADDRESS_0x*" } },
	[KF_SUBJECT_CLOCK] = { "processor speed", { "*_FREQ_[0-9]*", "*_CLOCK_SPEED_*" } },
	[KF_SUBJECT_CRYSTAL] = { "crystal", { "*CLOCK_REF_*" } },
	[KF_SUBJECT_FLASH_CHIP] = { "flash chip", { "RP2040_FLASH_*" } },
	[KF_SUBJECT_COMM] = { "communication interface",
			      { "*_USB", "*_USB_P*", "*_SERIAL", "*_SERIAL_*", "*_CANBUS*",
				"*_USBCANBUS*" } },
	[KF_SUBJECT_CAN_PINS] = { "CAN bus interface of the bridge", { "*_CMENU_*" } },
	[KF_SUBJECT_SPEED] = { "speed of the connection", { NULL } },
	[KF_SUBJECT_PINS] = { "pins set at the start", { NULL } },
	[KF_SUBJECT_OTHER] = { "other", { NULL } },
};

const struct kf_family *kf_family_find(const char *mcu)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(families); i++)
		for (size_t j = 0; j < KF_ARRAY_SIZE(families[i].mcus) && families[i].mcus[j]; j++)
			if (fnmatch(families[i].mcus[j], mcu, FNM_CASEFOLD) == 0)
				return &families[i];
	return NULL;
}

const char *kf_family_symbol(const struct kf_family *family, const char *mcu,
			     enum kf_subject subject, const char *constant, const char *value,
			     size_t *at)
{
	const struct row *row;

	while (*at < KF_ARRAY_SIZE(rows)) {
		row = &rows[(*at)++];
		if (row->subject == subject && strcmp(row->folder, family->folder) == 0 &&
		    strcmp(row->constant, constant) == 0 &&
		    (value && row->value ? strcmp(row->value, value) == 0 : value == row->value) &&
		    (!row->mcu || fnmatch(row->mcu, mcu, FNM_CASEFOLD) == 0))
			return row->symbol;
	}
	return NULL;
}

bool kf_family_offset(const struct kf_family *family, const char *mcu, uint32_t start, char *ret,
		      size_t size)
{
	int digits = 1;
	uint32_t offset = start - family->base;

	if (!family->offset || start < family->base)
		return false;
	if (strncasecmp(mcu, "rp2040", 6) == 0 && offset == 0)
		offset = 0x100; /* behind the second stage */
	if (strcmp(family->folder, "hc32f460") == 0)
		digits = 6;
	else if (offset == 0 || strcmp(family->folder, "rp2040") == 0)
		digits = 4;
	return kf_text_format(ret, size, "%s%0*X", family->offset, digits, offset);
}

const char *kf_family_feature(const char *mcu, size_t *at, const char **ret_symbol)
{
	while (*at < KF_ARRAY_SIZE(features)) {
		size_t i = (*at)++;

		if (features[i].newer && !is_small(mcu))
			continue;
		*ret_symbol = features[i].symbol;
		return features[i].command;
	}
	return NULL;
}

bool kf_subject_has(enum kf_subject subject, const char *symbol)
{
	const char *const *patterns = subjects[subject].symbols;

	/* A capability of the chip is no choice. The CAN pins of a bridge are a choice of their
	 * own. */
	if (strncmp(symbol, "HAVE_", 5) == 0 || strstr(symbol, "_HAVE_") ||
	    (subject != KF_SUBJECT_CAN_PINS && strstr(symbol, "_CMENU_")))
		return false;
	for (size_t i = 0; i < KF_ARRAY_SIZE(subjects->symbols) && patterns[i]; i++)
		if (fnmatch(patterns[i], symbol, 0) == 0)
			return true;
	return false;
}

const char *kf_subject_name(enum kf_subject subject)
{
	return subjects[subject].name;
}
