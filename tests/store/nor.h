/* NOR flash that can lose its power in any write: erases to ones, programs a word once between two erases, and leaves
 * what it was changing half done, with bits that read differently from time to time. */
#ifndef NOR_H
#define NOR_H

#include <stdint.h>

#include "mcu_flash.h"

#define NOR_MAX_BYTES 4096u

/* What a write leaves that the power cut off.  A bit that it would have changed is old, new, or loose. */
enum {
    NOR_CUT_BEFORE, /* all old */
    NOR_CUT_AFTER,  /* all new: only nobody was told */
    NOR_CUT_LOOSE,  /* all loose */
    NOR_CUT_MIXED,  /* a third of each */
    NOR_CUT_EARLY,  /* a few loose, the others old */
    NOR_CUT_LATE,   /* a few loose, the others new */
    NOR_CUTS
};

/* How loose bits read. */
enum {
    NOR_READ_RANDOM, /* differently each time; a word with a code of its own (ECC) sometimes fails */
    NOR_READ_ONES,
    NOR_READ_ZEROS,
    NOR_READ_EITHER, /* all ones in some words, all zeros in others, until the power is switched */
    NOR_READ_FAILS,  /* words with ECC that are half done fail; others as random */
    NOR_READS
};

typedef struct {
    uint8_t cell[NOR_MAX_BYTES], loose[NOR_MAX_BYTES]; /* loose: bits that are neither */
    uint8_t word[NOR_MAX_BYTES / 4u];                  /* 0 erased, 1 programmed, 2 half done */
} nor_content;

typedef struct {
    mcu_flash flash;
    nor_content content;
    uint8_t ecc;          /* words carry a code: reading half of one may fail */
    uint8_t refuses_torn; /* a word that is half done cannot be programmed again, even where it reads as erased */
    uint8_t dead;         /* no power: nothing changes any more */
    uint8_t reads;        /* NOR_READ_... */
    uint8_t cut;          /* NOR_CUT_... */
    int32_t until;        /* writes until the cut; negative: none comes */
    uint32_t writes;      /* begun since the last power-up */
    uint32_t mistakes;    /* of the caller: out of range, not aligned, a word programmed twice */
    uint32_t random;
    uint32_t power_up; /* a random number of its own */
} nor;

extern nor nor_chip;

/* A new chip, filled with what it may hold when it is delivered. */
void nor_make(uint32_t word, uint32_t unit, uint32_t units);

/* Power on; the cut comes in write number until (from 0), in the way of NOR_CUT_... */
void nor_power_up(uint8_t reads, int32_t until, uint8_t cut);

uint32_t nor_random(void);

#endif
