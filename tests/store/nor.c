#include "nor.h"

#include <string.h>

#define BASE 0x1000u

enum { ERASED, PROGRAMMED, TORN };

nor nor_chip;

uint32_t nor_random(void) {
    uint32_t x = nor_chip.random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return nor_chip.random = x;
}

static int outside(uint32_t address, uint32_t bytes, uint32_t align) {
    const mcu_flash *f = &nor_chip.flash;
    const uint32_t size = 2u * f->slot_units * f->unit_bytes, at = address - BASE;
    const int wrong = at % align != 0u || bytes % align != 0u || at > size || bytes > size - at;
    nor_chip.mistakes += wrong ? 1u : 0u;
    return wrong;
}

/* 1 where this write is the one that the power cuts off. */
static int cut_now(void) {
    const int now = nor_chip.until >= 0 && nor_chip.writes == (uint32_t)nor_chip.until;
    nor_chip.writes++;
    nor_chip.dead = (uint8_t)now;
    return now;
}

/* Bits of one byte that change, sorted into new and loose; the others stay old.  few: how many bits of a few are left.
 */
static void tear(uint8_t changes, uint32_t *few, uint8_t *fresh, uint8_t *loose) {
    *fresh = 0u;
    *loose = 0u;
    for (uint32_t bit = 1u; bit < 256u; bit <<= 1) {
        if ((changes & bit) == 0u) continue;
        uint32_t kind = 2u; /* 0 old, 1 new, 2 loose */
        switch (nor_chip.cut) {
        case NOR_CUT_BEFORE:
            kind = 0u;
            break;
        case NOR_CUT_AFTER:
            kind = 1u;
            break;
        case NOR_CUT_LOOSE:
            break;
        case NOR_CUT_MIXED:
            kind = nor_random() % 3u;
            break;
        default:
            if (*few != 0u && nor_random() % 4u == 0u) {
                --*few;
            } else {
                kind = nor_chip.cut == NOR_CUT_LATE ? 1u : 0u;
            }
        }
        if (kind == 1u) *fresh = (uint8_t)(*fresh | bit);
        if (kind == 2u) *loose = (uint8_t)(*loose | bit);
    }
}

static int nor_read(const mcu_flash *f, uint32_t address, void *data, uint32_t bytes) {
    uint8_t *out = (uint8_t *)data;
    const uint32_t at = address - BASE;
    int status = 0;
    if (outside(address, bytes, f->word_bytes)) return -1;
    for (uint32_t i = 0; i < bytes; i++) {
        const uint8_t cell = nor_chip.content.cell[at + i], loose = nor_chip.content.loose[at + i];
        uint32_t noise = nor_random();
        if (nor_chip.reads == NOR_READ_ONES) noise = 0xFFu;
        if (nor_chip.reads == NOR_READ_ZEROS) noise = 0u;
        if (nor_chip.reads == NOR_READ_EITHER)
            noise = 0u - (nor_chip.power_up >> ((at + i) / f->word_bytes) % 31u & 1u);
        out[i] = (uint8_t)((cell & ~(uint32_t)loose) | (noise & loose));
        if (nor_chip.ecc && nor_chip.content.word[(at + i) / f->word_bytes] == TORN) {
            if (nor_chip.reads == NOR_READ_FAILS) status = -1;
            if (nor_chip.reads == NOR_READ_RANDOM && nor_random() % 8u == 0u) status = -1;
        }
    }
    return nor_chip.dead ? -1 : status;
}

static int nor_program(const mcu_flash *f, uint32_t address, const void *word) {
    const uint8_t *value = (const uint8_t *)word;
    const uint32_t at = address - BASE;
    uint8_t *state = &nor_chip.content.word[at / f->word_bytes];
    if (nor_chip.dead || outside(address, f->word_bytes, f->word_bytes)) return -1;
    if (*state == PROGRAMMED) nor_chip.mistakes++;
    if (*state == PROGRAMMED || (*state == TORN && nor_chip.refuses_torn)) return -1;
    const int cut = cut_now();
    const uint8_t before = *state;
    uint32_t few = 1u + nor_random() % 3u;
    uint8_t unclear = 0u, changed = 0u;
    for (uint32_t i = 0; i < f->word_bytes; i++) {
        uint8_t *cell = &nor_chip.content.cell[at + i], *loose = &nor_chip.content.loose[at + i];
        const uint8_t changes = (uint8_t)((*cell | *loose) & ~(uint32_t)value[i]);
        uint8_t fresh = changes, torn = 0u;
        if (cut) tear(changes, &few, &fresh, &torn);
        /* a bit that was loose and is cut off again as old is still loose */
        *loose = (uint8_t)((*loose & ~(uint32_t)fresh) | torn);
        *cell = (uint8_t)(*cell & ~(uint32_t)fresh);
        unclear = (uint8_t)(unclear | *loose | (changes & ~(uint32_t)fresh));
        changed = (uint8_t)(changed | fresh | torn);
    }
    *state = unclear == 0u ? PROGRAMMED : changed != 0u ? TORN : before;
    return cut ? -1 : 0;
}

static int nor_erase(const mcu_flash *f, uint32_t address) {
    const uint32_t at = address - BASE;
    if (nor_chip.dead || outside(address, f->unit_bytes, f->unit_bytes)) return -1;
    const int cut = cut_now();
    uint32_t few = 1u + nor_random() % 3u;
    for (uint32_t i = 0; i < f->unit_bytes; i++) {
        uint8_t *cell = &nor_chip.content.cell[at + i], *loose = &nor_chip.content.loose[at + i];
        uint8_t *state = &nor_chip.content.word[(at + i) / f->word_bytes];
        const uint8_t changes = (uint8_t)(~(uint32_t)*cell | *loose);
        uint8_t fresh = changes, torn = 0u;
        if (cut) tear(changes, &few, &fresh, &torn);
        *loose = (uint8_t)((*loose & ~(uint32_t)fresh) | torn);
        *cell = (uint8_t)(*cell | fresh);
        if (!cut) {
            *state = ERASED;
        } else if ((fresh | torn) != 0u) {
            *state = TORN;
        }
    }
    return cut ? -1 : 0;
}

void nor_make(uint32_t word, uint32_t unit, uint32_t units) {
    const mcu_flash flash = {BASE, unit, word, units, nor_read, nor_program, nor_erase};
    memset(&nor_chip, 0, sizeof nor_chip);
    memcpy(&nor_chip.flash, &flash, sizeof flash);
    nor_chip.random = 2463534242u;
    /* Delivered programmed with anything: only erasing makes it usable. */
    for (uint32_t i = 0; i < NOR_MAX_BYTES; i++) nor_chip.content.cell[i] = (uint8_t)nor_random();
    memset(nor_chip.content.word, PROGRAMMED, sizeof nor_chip.content.word);
    nor_power_up(NOR_READ_RANDOM, -1, NOR_CUT_BEFORE);
}

void nor_power_up(uint8_t reads, int32_t until, uint8_t cut) {
    nor_chip.dead = 0u;
    nor_chip.reads = reads;
    nor_chip.until = until;
    nor_chip.cut = cut;
    nor_chip.writes = 0u;
    nor_chip.power_up = nor_random();
}
