/* Every verb of lanes.h in plain C beside what replaces it, on random numbers, for every number of channels from 1 to two
 * vectors and one more.  Prints the verb and the number of channels where they differ, then the count of comparisons. */
#include "scalar.h"
#include "lanes.h"

static void plain_product(const int8_t *x0, int32_t skip0, const int8_t *x1, int32_t skip1, int32_t rows, int32_t run,
                          const int8_t *w, const int32_t *bias, int32_t channels, const mg_lanes_scaling *s, int8_t *y0,
                          int8_t *y1) {
    mg_lanes_product_s8(x0, skip0, x1, skip1, rows, run, w, bias, channels, s, y0, y1);
}

static void plain_taps(const int8_t *x0, const int8_t *x1, int32_t step, int32_t skip, int32_t rows, int32_t columns,
                       const int8_t *w, const int32_t *bias, int32_t channels, const mg_lanes_scaling *s, int8_t *y0,
                       int8_t *y1) {
    mg_lanes_taps_s8(x0, x1, step, skip, rows, columns, w, bias, channels, s, y0, y1);
}

static void plain_edge(const int8_t *x, int32_t step, int32_t skip, int32_t rows, int32_t columns, int32_t zero, const int8_t *w,
                       int32_t w_skip, const int32_t *bias, int32_t channels, const mg_lanes_scaling *s, int8_t *y) {
    mg_lanes_edge_s8(x, step, skip, rows, columns, zero, w, w_skip, bias, channels, s, y);
}

static void plain_vector(const int8_t *x, int32_t depth, const int8_t *w, const int32_t *bias, int32_t channels,
                         const mg_lanes_away *s, int8_t *y) {
    mg_lanes_vector_s8(x, depth, w, bias, channels, s, y);
}

static void plain_add(const mg_lanes_sum *s, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    mg_lanes_add_s8(s, x0, x1, y, n);
}

static void plain_lookup(const uint8_t *table, const uint8_t *x, uint8_t *y, uint32_t n) {
    mg_lanes_lookup(table, x, y, n);
}

#include "rv32_rvv.h"

#ifndef __riscv_vector
#error "this core has no vectors"
#endif

#include "hal.h"

#define CHANNELS 134
#define DEPTH 40

static int8_t x[2][DEPTH * CHANNELS], w[DEPTH * CHANNELS], y[4][CHANNELS + 16];
static int32_t bias[CHANNELS], multiplier[CHANNELS];
static uint16_t shift[CHANNELS];
static uint32_t low_half[CHANNELS], high_half[CHANNELS], away_shift[CHANNELS];
static uint8_t table[256];
static uint32_t state = 1, compared = 0;

static uint32_t next(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static int8_t number(void) {
    const uint32_t r = next() >> 8;
    return (int8_t)((r & 7u) == 0u ? -128 : (int32_t)((r >> 3) & 0xffu) - 128);
}

static void put(const char *text) {
    while (*text != '\0') {
        hal_putc((uint8_t)*text++);
    }
}

static void put_number(uint32_t n) {
    if (n >= 10u) {
        put_number(n / 10u);
    }
    hal_putc((uint8_t)('0' + n % 10u));
}

/* Also what lies behind the outputs has to be as it was. */
static void compare(const char *verb, int32_t channels, const int8_t *want, const int8_t *got) {
    compared++;
    if (memcmp(want, got, (size_t)channels + 16u) != 0) {
        put(verb);
        put(" ");
        put_number((uint32_t)channels);
        put("\n");
    }
}

/* Sums of which many lie on a half: small multiples, powers of two as multipliers. */
static void randomise(int32_t round) {
    for (int32_t i = 0; i < DEPTH * CHANNELS; i++) {
        x[0][i] = number();
        x[1][i] = number();
        w[i] = (int8_t)(number() | 1); /* above -128 */
    }
    for (int32_t c = 0; c < CHANNELS; c++) {
        bias[c] = (int32_t)(next() >> 8) - (1 << 23);
        multiplier[c] = (next() & 3u) == 0u ? 1 << 30 : (int32_t)((next() >> 2) | 0x40000000u);
        shift[c] = (uint16_t)(1u + next() % (round == 0 ? 31u : 12u));
        low_half[c] = (next() & 1u) != 0u ? 0u : next();
        high_half[c] = (next() & 3u) == 0u ? 0x40000000u : (next() >> 2) | 0x40000000u;
        away_shift[c] = 1u + next() % (round == 0 ? 31u : 20u);
    }
    for (int32_t i = 0; i < 256; i++) {
        table[i] = (uint8_t)next();
    }
    memset(y, 0x55, sizeof y);
}

int main(void) {
    hal_init();
    for (int32_t round = 0; round < 2; round++) {
        for (int32_t channels = 1; channels <= CHANNELS; channels++) {
            const mg_lanes_scaling s = {multiplier, shift, (int32_t)(next() & 0xffu) - 128, -128 + round * 100, 127 - round * 20};
            const mg_lanes_away away = {low_half, high_half, away_shift, (int32_t)(next() & 0xffu) - 128, -128, 127 - round};
            const int32_t run = 1 + channels % 7, columns = 1 + channels % 4, zero = number();
            const mg_lanes_sum sum = {round == 0 ? 1 : -1, 20, number(), (int32_t)((next() >> 2) | 0x40000000u),
                                      round == 0 ? 0 : (int32_t)(next() % 6u), number(), 1 << 30, (int32_t)(next() % 3u), number(),
                                      (int32_t)((next() >> 2) | 0x40000000u), 15 + (int32_t)(next() % 6u), -128 + round, 127};
            randomise(round);
            plain_product(x[0], 2, x[1], 5, 3, run, w, bias, channels, &s, y[0], y[1]);
            mg_lanes_product_s8(x[0], 2, x[1], 5, 3, run, w, bias, channels, &s, y[2], y[3]);
            compare("product", channels, y[0], y[2]);
            compare("product", channels, y[1], y[3]);
            plain_taps(x[0], x[1], channels, 3 * channels, 3, columns, w, bias, channels, &s, y[0], y[1]);
            mg_lanes_taps_s8(x[0], x[1], channels, 3 * channels, 3, columns, w, bias, channels, &s, y[2], y[3]);
            compare("taps", channels, y[0], y[2]);
            compare("taps", channels, y[1], y[3]);
            plain_edge(x[0], channels, channels, 3, columns, zero, w, 2 * channels, bias, channels, &s, y[0]);
            mg_lanes_edge_s8(x[0], channels, channels, 3, columns, zero, w, 2 * channels, bias, channels, &s, y[2]);
            compare("edge", channels, y[0], y[2]);
            plain_vector(x[0], 5 * run, w, bias, channels, &away, y[0]);
            mg_lanes_vector_s8(x[0], 5 * run, w, bias, channels, &away, y[2]);
            compare("vector", channels, y[0], y[2]);
            plain_add(&sum, x[0], x[1], y[0], (uint32_t)channels);
            mg_lanes_add_s8(&sum, x[0], x[1], y[2], (uint32_t)channels);
            compare("add", channels, y[0], y[2]);
            plain_lookup(table, (const uint8_t *)x[0], (uint8_t *)y[0], (uint32_t)channels);
            mg_lanes_lookup(table, (const uint8_t *)x[0], (uint8_t *)y[2], (uint32_t)channels);
            compare("lookup", channels, y[0], y[2]);
        }
    }
    put("COMPARED ");
    put_number(compared);
    put("\n");
    hal_exit(0);
    return 0;
}
