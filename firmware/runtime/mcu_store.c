#include "mcu_store.h"

#include <string.h>

#include "mcu_crc32.h"

/* A slot:
 *
 *   dead word | 4 x (mark word, proof word) | header | payload
 *
 * Order of writing: erase, payload, header, mark, proof.  The flash may be cut off in any of these; a word or a unit
 * that was being changed then reads differently from time to time.  So nothing that was last in line is believed:
 *
 *   a header (with the CRC of all) is believed when a mark behind it is not blank, as it was complete then;
 *   a mark is believed when its proof is not blank.
 *
 * An image whose header is right but whose last step is in doubt is decided once, for good, before anybody sees it: it
 * is marked again in a pair of words that were never touched, or it is declared dead and erased. */
#define CHUNK   32u /* bytes handled at once: every size of a word divides it */
#define PAIRS   4u
#define DEAD    0u
#define MARK    1u /* of the first pair */
#define WORDS   (MARK + 2u * PAIRS)
#define MAGIC   0x3153574Du
#define NOWHERE 2u

typedef struct {
    uint32_t magic;
    uint32_t sequence; /* the larger is the newer, modulo 2^32 */
    uint32_t bytes;    /* of the payload; 0: all that came before is forgotten */
    uint8_t identity[MCU_STORE_IDENTITY_BYTES];
    uint32_t crc; /* of what is above, then of the payload */
} header;

typedef char header_is_a_chunk[sizeof(header) == CHUNK ? 1 : -1];

/* A position in the pieces of an image. */
typedef struct {
    const mcu_image *image;
    unsigned index;
    uint32_t offset;
} cursor;

static uint32_t slot_address(const mcu_flash *f, uint32_t slot) {
    return f->base + slot * f->slot_units * f->unit_bytes;
}

static uint32_t header_address(const mcu_flash *f, uint32_t slot) {
    return slot_address(f, slot) + WORDS * f->word_bytes;
}

/* -- words that are blank or zero ---------------------------------------------------------------------------------- */

static int word_is(const mcu_flash *f, uint32_t slot, uint32_t index, uint8_t value) {
    uint8_t word[CHUNK];
    if (f->read(f, slot_address(f, slot) + index * f->word_bytes, word, f->word_bytes) != 0) return 0;
    for (uint32_t i = 0; i < f->word_bytes; i++) {
        if (word[i] != value) return 0;
    }
    return 1;
}

static int touched(const mcu_flash *f, uint32_t slot, uint32_t index) {
    return !word_is(f, slot, index, 0xFFu);
}

/* Zero is the one value that these words ever get, so a word that was cut off, reads as blank and is programmed again
 * gets the same bits, on flash that does not refuse it. */
static int set_word(const mcu_flash *f, uint32_t slot, uint32_t index) {
    static const uint8_t zeros[CHUNK] = {0u};
    return f->program(f, slot_address(f, slot) + index * f->word_bytes, zeros) == 0 && word_is(f, slot, index, 0u);
}

static int any_of_pairs(const mcu_flash *f, uint32_t slot, uint32_t first) {
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        if (touched(f, slot, first + 2u * pair)) return 1;
    }
    return 0;
}

/* Makes the image in a slot valid for good. */
static int accept(const mcu_flash *f, uint32_t slot) {
    for (uint32_t mark = MARK; mark < WORDS; mark += 2u) {
        if (touched(f, slot, mark) || touched(f, slot, mark + 1u)) continue;
        if (set_word(f, slot, mark) && set_word(f, slot, mark + 1u)) return MCU_STORE_OK;
    }
    return MCU_STORE_VERIFY;
}

/* Makes it invalid for good.  An erase that is cut off early leaves nearly all as it was: the dead word, too. */
static void reject(const mcu_flash *f, uint32_t slot) {
    if (!word_is(f, slot, DEAD, 0u)) (void)set_word(f, slot, DEAD);
    (void)f->erase(f, slot_address(f, slot));
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

/* Copies between pieces and chunk, and goes on. */
static void copy_pieces(cursor *c, uint8_t *chunk, uint32_t bytes, int to_pieces) {
    while (bytes != 0u && c->index < c->image->pieces) {
        uint32_t size;
        uint8_t *piece = (uint8_t *)c->image->piece(c->index, &size);
        uint32_t n = size - c->offset;
        if (n > bytes) n = bytes;
        if (to_pieces) {
            memcpy(piece + c->offset, chunk, n);
        } else {
            memcpy(chunk, piece + c->offset, n);
        }
        chunk += n;
        bytes -= n;
        c->offset += n;
        if (c->offset == size) {
            c->offset = 0u;
            c->index++;
        }
    }
}

/* 1 where header and payload in a slot fit their CRC.  to: receives the payload, or NULL. */
static int content_is_right(const mcu_flash *f, const header *h, uint32_t slot, cursor *to) {
    uint32_t crc = mcu_crc32(0u, (const uint8_t *)h, sizeof *h - sizeof h->crc);
    const uint32_t payload = header_address(f, slot) + CHUNK;
    for (uint32_t done = 0; done < h->bytes; done += CHUNK) {
        uint8_t chunk[CHUNK];
        const uint32_t left = h->bytes - done, n = left < CHUNK ? left : CHUNK;
        const uint32_t whole = (n + f->word_bytes - 1u) / f->word_bytes * f->word_bytes;
        if (f->read(f, payload + done, chunk, whole) != 0) return 0;
        crc = mcu_crc32(crc, chunk, n);
        if (to != NULL) copy_pieces(to, chunk, n, 1);
    }
    return crc == h->crc;
}

/* 1 where a slot holds an image of this identity, complete as far as can be read. */
static int examine(const mcu_flash *f, const mcu_image *image, uint32_t slot, header *h) {
    return f->read(f, header_address(f, slot), h, CHUNK) == 0 && h->magic == MAGIC &&
           memcmp(h->identity, image->identity, sizeof h->identity) == 0 &&
           (h->bytes == 0u || h->bytes == mcu_store_bytes(image)) && content_is_right(f, h, slot, NULL);
}

static int is_newer(uint32_t a, uint32_t b) {
    return a != b && a - b < 0x80000000u;
}

/* The slot of the newest image, and its header; NOWHERE where there is none.  What was in doubt is decided here. */
static uint32_t newest(const mcu_flash *f, const mcu_image *image, header *found) {
    header h[2];
    int right[2];
    for (uint32_t slot = 0; slot < 2u; slot++) right[slot] = examine(f, image, slot, &h[slot]);
    while (right[0] || right[1]) {
        const int second = right[0] ? right[1] && is_newer(h[1].sequence, h[0].sequence) : 1;
        const uint32_t slot = second ? 1u : 0u;
        const int proven = any_of_pairs(f, slot, MARK + 1u);
        if (proven || (any_of_pairs(f, slot, MARK) && !touched(f, slot, DEAD))) {
            if (!proven) (void)accept(f, slot); /* fails where all pairs were used up by cuts: nothing better is left */
            *found = h[slot];
            return slot;
        }
        reject(f, slot);
        right[slot] = 0;
    }
    return NOWHERE;
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static int erase_units(const mcu_flash *f, uint32_t slot, uint32_t units) {
    for (uint32_t unit = 0; unit < units; unit++) {
        if (f->erase(f, slot_address(f, slot) + unit * f->unit_bytes) != 0) return MCU_STORE_FLASH;
    }
    return MCU_STORE_OK;
}

static int program_words(const mcu_flash *f, uint32_t address, const uint8_t *chunk, uint32_t bytes) {
    for (uint32_t done = 0; done < bytes; done += f->word_bytes) {
        if (f->program(f, address + done, chunk + done) != 0) return MCU_STORE_FLASH;
    }
    return MCU_STORE_OK;
}

/* Header and payload into an erased slot, then the mark.  bytes: of the pieces, or 0 for an image that forgets. */
static int write_image(const mcu_flash *f, const mcu_image *image, uint32_t slot, uint32_t sequence, uint32_t bytes) {
    header h = {MAGIC, sequence, bytes, {0u}, 0u}, check;
    cursor from = {image, 0u, 0u};
    const uint32_t at = header_address(f, slot);
    memcpy(h.identity, image->identity, sizeof h.identity);
    h.crc = mcu_crc32(0u, (const uint8_t *)&h, sizeof h - sizeof h.crc);
    for (uint32_t done = 0; done < bytes; done += CHUNK) {
        uint8_t chunk[CHUNK];
        const uint32_t left = bytes - done, n = left < CHUNK ? left : CHUNK;
        memset(chunk, 0xFF, sizeof chunk);
        copy_pieces(&from, chunk, n, 0);
        h.crc = mcu_crc32(h.crc, chunk, n);
        if (program_words(f, at + CHUNK + done, chunk, n) != MCU_STORE_OK) return MCU_STORE_FLASH;
    }
    if (program_words(f, at, (const uint8_t *)&h, CHUNK) != MCU_STORE_OK) return MCU_STORE_FLASH;
    if (!examine(f, image, slot, &check) || memcmp(&check, &h, sizeof h) != 0) return MCU_STORE_VERIFY;
    return accept(f, slot);
}

/* -- interface ----------------------------------------------------------------------------------------------------- */

uint32_t mcu_store_bytes(const mcu_image *image) {
    uint32_t total = 0u, bytes;
    for (unsigned i = 0; i < image->pieces; i++) {
        (void)image->piece(i, &bytes);
        total += bytes;
    }
    return total;
}

uint32_t mcu_store_room(const mcu_flash *flash) {
    const uint32_t used = WORDS * flash->word_bytes + CHUNK;
    /* All that decides about a slot lies in its first unit, which is erased at once. */
    return flash->unit_bytes < used ? 0u : flash->slot_units * flash->unit_bytes - used;
}

static int check(const mcu_flash *flash, const mcu_image *image) {
    if (flash == NULL) return MCU_STORE_ABSENT;
    return mcu_store_bytes(image) > mcu_store_room(flash) ? MCU_STORE_SIZE : MCU_STORE_OK;
}

int mcu_store_save(const mcu_flash *flash, const mcu_image *image) {
    header h = {0u, 0u, 0u, {0u}, 0u};
    int status = check(flash, image);
    if (status != MCU_STORE_OK) return status;
    const uint32_t bytes = mcu_store_bytes(image);
    const uint32_t slot = newest(flash, image, &h) == 0u ? 1u : 0u;
    const uint32_t used = WORDS * flash->word_bytes + CHUNK + bytes;
    status = erase_units(flash, slot, (used + flash->unit_bytes - 1u) / flash->unit_bytes);
    return status != MCU_STORE_OK ? status : write_image(flash, image, slot, h.sequence + 1u, bytes);
}

int mcu_store_load(const mcu_flash *flash, const mcu_image *image) {
    header h;
    cursor to = {image, 0u, 0u};
    const int status = check(flash, image);
    if (status != MCU_STORE_OK) return status;
    const uint32_t slot = newest(flash, image, &h);
    if (slot == NOWHERE || h.bytes == 0u) return MCU_STORE_EMPTY;
    return content_is_right(flash, &h, slot, &to) ? MCU_STORE_OK : MCU_STORE_VERIFY;
}

int mcu_store_forget(const mcu_flash *flash, const mcu_image *image) {
    header h;
    int status = check(flash, image);
    if (status != MCU_STORE_OK) return status;
    uint32_t slot = newest(flash, image, &h);
    if (slot == NOWHERE) return MCU_STORE_OK;
    if (h.bytes != 0u) {
        slot = 1u - slot;
        status = erase_units(flash, slot, flash->slot_units);
        if (status == MCU_STORE_OK) status = write_image(flash, image, slot, h.sequence + 1u, 0u);
    }
    return status != MCU_STORE_OK ? status : erase_units(flash, 1u - slot, flash->slot_units);
}
