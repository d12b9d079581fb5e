/* Cuts the power at every write of a save or a forget, and once more at every write of what follows.  Checked: after
 * each power-up a load gives exactly the image before or the one after; every later load gives the same one, however
 * loose bits read then; the next save works; no word is programmed twice.
 *
 * Prints a line per set of cases, "FAIL" with the case where something is wrong, and "DONE" at the end. */
#include <string.h>

#include "mcu_crc32.h"
#include "mcu_store.h"
#include "nor.h"

#ifdef ON_HOST
#include <stdio.h>
static void put(const char *text) {
    (void)fputs(text, stdout);
}
#define FINISH() return 0
#else
#include "hal.h"
static void put(const char *text) {
    for (; *text != '\0'; text++) hal_putc((uint8_t)*text);
}
#define FINISH() hal_exit(0)
#endif

#ifndef THOROUGH /* 0: a selection for an emulated core */
#define THOROUGH 1
#endif

#define MAX_PIECES 4u
#define NOTHING    0u    /* what a load gives where nothing is stored */
#define WRONG      99u   /* a load that gave neither */
#define AFTER      7u    /* number of the image that is saved in the end */
#define FORGET     0xF0u /* an action: forget instead of saving */

typedef struct {
    const char *name;
    uint32_t word, unit, units;
    uint32_t piece[MAX_PIECES]; /* bytes; all 0: as much as a slot holds */
} geometry;

static uint32_t sizes[MAX_PIECES];
static uint8_t ram[NOR_MAX_BYTES];
static uint32_t ram_bytes, failures, runs;

static void *piece(unsigned index, uint32_t *bytes) {
    uint32_t at = 0u;
    for (unsigned i = 0; i < index; i++) at += sizes[i];
    *bytes = sizes[index];
    return ram + at;
}

static const mcu_image ours = {"network one....", MAX_PIECES, piece};
static const mcu_image theirs = {"network two....", MAX_PIECES, piece};

static void number(uint32_t value) {
    char digits[11];
    int n = 10;
    digits[n] = '\0';
    do {
        digits[--n] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    put(" ");
    put(digits + n);
}

/* -- images: number n in RAM --------------------------------------------------------------------------------------- */

static uint8_t byte_of(uint32_t image, uint32_t i) {
    return (uint8_t)(image * 29u + i * 7u + (i >> 8) * 3u);
}

static int save(const mcu_image *of, uint32_t image) {
    for (uint32_t i = 0; i < ram_bytes; i++) ram[i] = byte_of(image, i);
    return mcu_store_save(&nor_chip.flash, of);
}

static int act(uint32_t action) {
    return action == FORGET ? mcu_store_forget(&nor_chip.flash, &ours) : save(&ours, action);
}

static int last_status; /* of a load */

static uint32_t load(void) {
    memset(ram, 0xEE, ram_bytes);
    const int status = last_status = mcu_store_load(&nor_chip.flash, &ours);
    for (uint32_t image = NOTHING; image <= AFTER; image++) {
        uint32_t same = 0u;
        while (same < ram_bytes && ram[same] == (image == NOTHING ? 0xEEu : byte_of(image, same))) same++;
        if (same == ram_bytes && status == (image == NOTHING ? MCU_STORE_EMPTY : MCU_STORE_OK)) return image;
    }
    return WRONG;
}

static uint32_t load_at(uint8_t reads) {
    nor_power_up(reads, -1, NOR_CUT_BEFORE);
    return load();
}

/* -- cases --------------------------------------------------------------------------------------------------------- */

/* What was done before the save that is cut: 0 nothing, 1 to 3 saves, 4 two saves and a forget, 5 another network's. */
#define HISTORIES 6u

static uint32_t make_history(const geometry *g, uint32_t history) {
    static const uint32_t saves[HISTORIES] = {0u, 1u, 2u, 3u, 2u, 0u};
    nor_make(g->word, g->unit, g->units);
    nor_chip.ecc = g->word > 4u;
    nor_chip.refuses_torn = g->word > 4u;
    memset(sizes, 0, sizeof sizes);
    ram_bytes = 0u;
    for (uint32_t i = 0; i < MAX_PIECES; i++) ram_bytes += sizes[i] = g->piece[i];
    if (ram_bytes == 0u) ram_bytes = sizes[2] = mcu_store_room(&nor_chip.flash);
    int status = 0;
    for (uint32_t n = 1; n <= saves[history]; n++) status |= save(&ours, n);
    if (history == 4u) status |= act(FORGET);
    if (history == 5u) status |= save(&theirs, 1u) | save(&theirs, 2u);
    const uint32_t stored = history == 4u ? NOTHING : saves[history];
    if (status != 0 || load() != stored) {
        failures++;
        put("FAIL history\n");
    }
    return stored;
}

typedef struct {
    uint32_t history, action, first, first_cut, reads, second, second_cut, later;
} one_case;

static void expect(int good, const one_case *c, const char *what, uint32_t got) {
    if (good) return;
    if (failures++ > 20u) return;
    put("FAIL ");
    put(what);
    number(got);
    put(" in history, action, write, cut, reads, second write, cut, reads:");
    const uint32_t fields[] = {c->history, c->action, c->first,      c->first_cut,
                               c->reads,   c->second, c->second_cut, c->later};
    for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) number(fields[i]);
    put("\n");
}

/* All that must hold once the power is back for good.  Either of a and b may be there. */
static void expect_whole(const one_case *c, uint32_t a, uint32_t b) {
    const uint32_t found = load_at((uint8_t)c->later);
    expect(found == a || found == b, c, "load", found);
    for (uint8_t reads = 0; reads < NOR_READS; reads++) {
        const uint32_t again = load_at(reads);
        expect(again == found, c, "another load", again);
    }
    nor_power_up((uint8_t)c->later, -1, NOR_CUT_BEFORE);
    const int status = save(&ours, AFTER);
    expect(status == 0, c, "next save", (uint32_t)-status);
    const uint32_t next = load_at(NOR_READ_RANDOM);
    expect(next == AFTER, c, "load after the next save", next);
    expect(nor_chip.mistakes == 0u, c, "mistakes", nor_chip.mistakes);
    nor_chip.mistakes = 0u;
    runs++;
}

static nor_content before, between;

/* One cut.  step: 1 for every way to read, else one of them in turn. */
static void cut_once(const geometry *g, uint32_t history, uint32_t action, uint32_t step) {
    one_case c = {history, action, 0u, 0u, 0u, 0u, 0u, 0u};
    const uint32_t old = make_history(g, history), new = action == FORGET ? NOTHING : action;
    before = nor_chip.content;
    for (c.first_cut = 0; c.first_cut < NOR_CUTS; c.first_cut++) {
        int cut = 1;
        for (c.first = 0; cut; c.first++) {
            for (c.later = step == 1u ? 0u : c.first % NOR_READS; c.later < NOR_READS; c.later += step) {
                nor_chip.content = before;
                nor_power_up(NOR_READ_RANDOM, (int32_t)c.first, (uint8_t)c.first_cut);
                const int status = act(action);
                cut = nor_chip.dead;
                expect(cut == (status != 0), &c, "status", (uint32_t)-status);
                expect_whole(&c, cut ? old : new, new);
            }
        }
    }
}

/* Two cuts: the second in the load or the save that follows. */
static void cut_twice(const geometry *g, uint32_t history, uint32_t action) {
    one_case c = {history, action, 0u, 0u, 0u, 0u, 0u, 0u};
    const uint32_t old = make_history(g, history), new = action == FORGET ? NOTHING : action;
    before = nor_chip.content;
    for (c.first_cut = 0; c.first_cut < NOR_CUTS; c.first_cut++) {
        for (c.first = 0;; c.first++) {
            nor_chip.content = before;
            nor_power_up(NOR_READ_RANDOM, (int32_t)c.first, (uint8_t)c.first_cut);
            (void)act(action);
            if (!nor_chip.dead) break;
            between = nor_chip.content;
            for (c.reads = THOROUGH ? 0u : c.first % 2u; c.reads < NOR_READS; c.reads += THOROUGH ? 1u : 2u) {
                for (c.second_cut = THOROUGH ? 1u : (c.first + c.reads) % NOR_CUTS; c.second_cut < NOR_CUTS;
                     c.second_cut += THOROUGH ? 1u : 3u) {
                    int cut = 1;
                    for (c.second = 0; cut; c.second++) {
                        c.later = (c.first + c.second + c.second_cut) % NOR_READS;
                        nor_chip.content = between;
                        nor_power_up((uint8_t)c.reads, (int32_t)c.second, (uint8_t)c.second_cut);
                        const uint32_t found = load();
                        const int loaded = !nor_chip.dead;
                        if (loaded) (void)save(&ours, 5u);
                        cut = nor_chip.dead;
                        const uint32_t a = !cut ? 5u : loaded ? found : old, b = loaded ? 5u : new;
                        expect_whole(&c, a, b);
                    }
                }
            }
        }
    }
}

/* Many cuts at random, one after the other, in the life of one chip. */
static void cut_at_random(const geometry *g, uint32_t lives) {
    one_case c = {0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    uint32_t stored = make_history(g, 0u);
    for (uint32_t life = 0; life < lives; life++) {
        const uint32_t image = 1u + life % 6u;
        const uint32_t writes = 1u + ram_bytes / g->word + 16u;
        c.first = nor_random() % writes;
        c.first_cut = nor_random() % NOR_CUTS;
        c.reads = nor_random() % NOR_READS;
        c.later = life;
        nor_power_up((uint8_t)c.reads, (int32_t)c.first, (uint8_t)c.first_cut);
        const uint32_t found = load();
        expect(nor_chip.dead || found == stored, &c, "load in a long life", found);
        const uint32_t action = nor_random() % 8u == 0u ? FORGET : image;
        const int status = nor_chip.dead ? -1 : act(action);
        const uint32_t new = action == FORGET ? NOTHING : image, kept = load_at((uint8_t)(nor_random() % NOR_READS));
        expect(kept == new || (status != 0 && kept == stored), &c, "load after a cut", kept);
        expect(nor_chip.mistakes == 0u, &c, "mistakes", nor_chip.mistakes);
        stored = kept;
        runs++;
    }
}

/* -- images that were damaged otherwise ---------------------------------------------------------------------------- */

/* Offset of the header in a slot, and of fields in it: the format (docs/training.md). */
#define HEADER(g) (9u * (g)->word)
#define SEQUENCE  4u
#define CRC       28u
#define PAYLOAD   32u

static uint8_t *cell(const geometry *g, uint32_t slot, uint32_t offset) {
    return nor_chip.content.cell + slot * g->unit * g->units + offset;
}

/* Any single bit of header or payload of the newest image flipped: the one before is loaded; the same in that one:
 * nothing. */
static void flip_bits(const geometry *g) {
    one_case c = {2u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    (void)make_history(g, 2u); /* number 1 in slot 0, number 2 in slot 1 */
    before = nor_chip.content;
    for (c.first = 0; c.first < 8u * (PAYLOAD + ram_bytes); c.first++) {
        const uint8_t bit = (uint8_t)(1u << c.first % 8u);
        nor_chip.content = before;
        *cell(g, 1u, HEADER(g) + c.first / 8u) ^= bit;
        expect(load() == 1u, &c, "the image before a damaged one", 1u);
        *cell(g, 0u, HEADER(g) + c.first / 8u) ^= bit;
        expect(load() == NOTHING, &c, "nothing but damaged images", 2u);
        expect(save(&ours, AFTER) == 0 && load() == AFTER, &c, "save over damaged images", 3u);
        runs++;
    }
}

/* An erase of the only image, cut off in every unit in every way: it is loaded whole or not at all, and where it read
 * differently the second time, that is said. */
static void erase_the_only_one(const geometry *g, uint32_t rounds) {
    one_case c = {1u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    (void)make_history(g, 1u);
    before = nor_chip.content;
    for (uint32_t round = 0; round < rounds; round++) {
        for (c.first_cut = 0; c.first_cut < NOR_CUTS; c.first_cut++) {
            c.first = round % g->units;
            c.later = round % NOR_READS;
            nor_chip.content = before;
            nor_power_up(NOR_READ_RANDOM, 0, (uint8_t)c.first_cut);
            (void)nor_chip.flash.erase(&nor_chip.flash, nor_chip.flash.base + c.first * g->unit);
            const uint32_t found = load_at((uint8_t)c.later);
            expect(found == 1u || found == NOTHING || last_status == MCU_STORE_VERIFY, &c, "half erased", found);
            nor_power_up((uint8_t)c.later, -1, NOR_CUT_BEFORE);
            expect(save(&ours, AFTER) == 0 && load_at(NOR_READ_EITHER) == AFTER, &c, "save beside it", AFTER);
            runs++;
        }
    }
}

static void put_sequence(const geometry *g, uint32_t slot, uint32_t sequence) {
    uint8_t *header = cell(g, slot, HEADER(g));
    memcpy(header + SEQUENCE, &sequence, 4u);
    const uint32_t crc = mcu_crc32(mcu_crc32(0u, header, CRC), header + PAYLOAD, ram_bytes);
    memcpy(header + CRC, &crc, 4u);
}

/* Sequence numbers go over the end of their range. */
static void wrap(const geometry *g) {
    one_case c = {2u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    (void)make_history(g, 2u);
    put_sequence(g, 0u, 0xFFFFFFFCu);
    put_sequence(g, 1u, 0xFFFFFFFDu);
    for (c.first = 0; c.first < 6u; c.first++) {
        const uint32_t image = 3u + c.first % 2u;
        expect(load() == (c.first == 0u ? 2u : 7u - image), &c, "load near the wrap", image);
        expect(save(&ours, image) == 0, &c, "save near the wrap", image);
        expect(nor_chip.mistakes == 0u, &c, "mistakes", nor_chip.mistakes);
        runs++;
    }
}

/* Failures that are no power cut: the flash reports an error in every write of a save; another session follows. */
static void failing(const geometry *g) {
    one_case c = {2u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    for (int failed = 1; failed; c.first++) {
        (void)make_history(g, 2u);
        nor_power_up(NOR_READ_RANDOM, (int32_t)c.first, NOR_CUT_MIXED);
        failed = save(&ours, 3u) != 0;
        expect(failed == nor_chip.dead, &c, "an error is reported", c.first);
        nor_chip.dead = 0u; /* the same program goes on */
        nor_chip.until = -1;
        const uint32_t found = load();
        expect(found == 3u || (failed && found == 2u), &c, "load after an error", found);
        expect(save(&ours, AFTER) == 0 && load() == AFTER, &c, "save after an error", found);
        runs++;
    }
}

/* What does not fit, or has no flash, is refused and changes nothing. */
static void refuse(const geometry *g) {
    const one_case c = {2u, 0u, 0u, 0u, 0u, 0u, 0u, 0u};
    (void)make_history(g, 2u);
    before = nor_chip.content;
    sizes[3] += mcu_store_room(&nor_chip.flash) + 1u - ram_bytes;
    expect(mcu_store_bytes(&ours) == mcu_store_room(&nor_chip.flash) + 1u, &c, "size", 0u);
    expect(mcu_store_save(&nor_chip.flash, &ours) == MCU_STORE_SIZE, &c, "save too much", 0u);
    expect(mcu_store_load(&nor_chip.flash, &ours) == MCU_STORE_SIZE, &c, "load too much", 0u);
    expect(mcu_store_forget(&nor_chip.flash, &ours) == MCU_STORE_SIZE, &c, "forget too much", 0u);
    expect(mcu_store_save(NULL, &ours) == MCU_STORE_ABSENT, &c, "save nowhere", 0u);
    expect(mcu_store_load(NULL, &ours) == MCU_STORE_ABSENT, &c, "load from nowhere", 0u);
    expect(mcu_store_forget(NULL, &ours) == MCU_STORE_ABSENT, &c, "forget nowhere", 0u);
    expect(memcmp(&before, &nor_chip.content, sizeof before) == 0, &c, "flash as before", 0u);
    runs++;
}

static const geometry tiny[] = {
    {"words of 4 bytes", 4u, 512u, 1u, {5u, 0u, 0u, 0u}},
    {"words of 8 bytes", 8u, 512u, 1u, {5u, 0u, 4u, 0u}},
    {"words of 32 bytes", 32u, 512u, 1u, {33u, 0u, 0u, 0u}},
};

static const geometry larger[] = {
    {"4 bytes, one unit, full", 4u, 512u, 1u, {0u, 0u, 0u, 0u}},
    {"4 bytes, three units", 4u, 512u, 3u, {13u, 256u, 0u, 700u}},
    {"8 bytes, two units", 8u, 512u, 2u, {5u, 0u, 500u, 1u}},
    {"8 bytes, one large unit, one byte", 8u, 2048u, 1u, {0u, 1u, 0u, 0u}},
    {"16 bytes, two units", 16u, 512u, 2u, {600u, 0u, 0u, 3u}},
    {"32 bytes, two units", 32u, 1024u, 2u, {40u, 33u, 900u, 0u}},
    {"32 bytes, three units, full", 32u, 512u, 3u, {0u, 0u, 0u, 0u}},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int report(const char *what, const geometry *g) {
    put(failures == 0u ? "ok " : "FAIL ");
    put(what);
    put(", ");
    put(g->name);
    put(":");
    number(runs);
    put(" cases\n");
    runs = 0u;
    return failures == 0u;
}

static int test_tiny(const geometry *g) {
    for (uint32_t history = 0; history < HISTORIES; history += THOROUGH ? 1u : 2u) {
        cut_once(g, history, 4u, 1u);
        cut_once(g, history, FORGET, 1u);
    }
    if (!report("one cut", g)) return 0;
    /* after 3 saves the slots are as after 1, with another network's images as with none */
    cut_twice(g, 2u, 4u);
    if (THOROUGH) {
        cut_twice(g, 0u, 4u);
        cut_twice(g, 1u, 4u);
        cut_twice(g, 4u, 4u);
        cut_twice(g, 2u, FORGET);
    }
    if (!report("two cuts", g)) return 0;
    cut_at_random(g, THOROUGH ? 10000u : 200u);
    if (!report("many cuts", g)) return 0;
    flip_bits(g);
    return report("flipped bits", g);
}

static int test_larger(const geometry *g) {
    for (uint32_t history = THOROUGH ? 0u : 2u; history < 3u; history++) cut_once(g, history, 4u, NOR_READS);
    if (!report("one cut", g)) return 0;
    cut_at_random(g, THOROUGH ? 3000u : 40u);
    if (!report("many cuts", g)) return 0;
    erase_the_only_one(g, THOROUGH ? 200u : 10u);
    wrap(g);
    failing(g);
    refuse(g);
    return report("damage, wrap and errors", g);
}

int main(void) {
#ifndef ON_HOST
    hal_init();
#endif
    int good = 1;
    for (uint32_t i = 0; good && i < COUNT(tiny); i++) good = test_tiny(&tiny[i]);
    for (uint32_t i = 0; good && i < COUNT(larger); i++) good = test_larger(&larger[i]);
    put("DONE\n");
    FINISH();
}
