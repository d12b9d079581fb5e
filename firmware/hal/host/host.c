/* The host as a board: the serial line is standard input and output (sent when the program waits for input
 * or ends), a tick is a nanosecond, flash is memory: of this process, or of the file that the environment variable
 * MCU_GEN_HOST_FLASH names, so that it outlives the process. */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hal.h"

static unsigned char received[4096], to_send[4096];
static size_t received_at, received_size, to_send_size;

static void flush(void) {
    size_t done = 0;
    while (done < to_send_size) {
        const ssize_t n = write(STDOUT_FILENO, to_send + done, to_send_size - done);
        if (n <= 0) {
            exit(1); /* nobody reads any more */
        }
        done += (size_t)n;
    }
    to_send_size = 0;
}

void hal_init(void) {
    (void)atexit(flush);
}

int hal_getc(uint32_t timeout_ticks) {
    if (received_at == received_size) {
        /* poll() counts in milliseconds; rounding up keeps a short wait from becoming a busy loop. */
        const int wait = timeout_ticks == 0u ? -1 : (int)(timeout_ticks / 1000000u + 1u);
        struct pollfd in = {STDIN_FILENO, POLLIN, 0};
        flush();
        if (poll(&in, 1, wait) <= 0) {
            return -1;
        }
        const ssize_t n = read(STDIN_FILENO, received, sizeof received);
        if (n <= 0) {
            exit(0); /* the other side has gone */
        }
        received_at = 0;
        received_size = (size_t)n;
    }
    return received[received_at++];
}

void hal_putc(uint8_t c) {
    if (to_send_size == sizeof to_send) {
        flush();
    }
    to_send[to_send_size++] = c;
}

uint64_t hal_ticks(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void hal_stack_paint(void) {}

uint32_t hal_stack_used(void) {
    return 0; /* not known: the host's stack is the operating system's */
}

uint32_t hal_stack_reserved(void) {
    return 0;
}

/* A build may ask for bulk memory, as emulated boards have it. */
uint8_t *hal_harness(uint32_t *bytes) {
#ifdef HAL_HOST_BULK
    static uint8_t bulk[HAL_HOST_BULK];
    *bytes = sizeof bulk;
    return bulk;
#else
    *bytes = 0;
    return (uint8_t *)0;
#endif
}

#define FLASH_WORD  8u
#define FLASH_UNIT  4096u
#define FLASH_UNITS 1024u /* of a slot */
#define FLASH_BYTES (2u * FLASH_UNITS * FLASH_UNIT)

static unsigned char *flash_memory; /* NULL until it is asked for */

static int flash_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    memcpy(data, flash_memory + address, bytes);
    return 0;
}

static int flash_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    for (uint32_t i = 0; i < FLASH_WORD; i++) {
        if (flash_memory[address + i] != 0xFFu) {
            return -1; /* once between two erases */
        }
    }
    memcpy(flash_memory + address, word, FLASH_WORD);
    return 0;
}

static int flash_erase(const mcu_flash *flash, uint32_t address) {
    (void)flash;
    memset(flash_memory + address, 0xFF, FLASH_UNIT);
    return 0;
}

/* A new file, or one that was made here: any other file is somebody's and stays as it is. */
static unsigned char *flash_file(const char *name) {
    const int file = open(name, O_RDWR | O_CREAT, 0666);
    struct stat found;
    if (file < 0) {
        return NULL;
    }
    if (fstat(file, &found) != 0 || (found.st_size != 0 && found.st_size != (off_t)FLASH_BYTES) ||
        ftruncate(file, FLASH_BYTES) != 0) {
        close(file);
        return NULL;
    }
    unsigned char *const memory = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

const mcu_flash *hal_flash(void) {
    static unsigned char own[FLASH_BYTES];
    static const mcu_flash flash = {0u, FLASH_UNIT, FLASH_WORD, FLASH_UNITS, flash_read, flash_program, flash_erase};
    const char *const name = getenv("MCU_GEN_HOST_FLASH");
    if (flash_memory == NULL) {
        flash_memory = name == NULL || name[0] == '\0' ? own : flash_file(name);
    }
    return flash_memory == NULL ? NULL : &flash;
}

void hal_exit(int code) {
    flush();
    exit(code);
}
