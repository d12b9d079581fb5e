/* Every verb of rows.h in plain C beside what replaces it, on random numbers, for every length from 1 to a vector of 128
 * bytes and more.  Prints the verb and the length where they differ, then the count of comparisons. */
#include "scalar.h"
#include "rows.h"

static void plain_quantize(const float *x, int8_t *y, uint32_t n, float scale, int32_t zero, int32_t low, int32_t high) {
    mg_quantize_row_s8(x, y, n, scale, zero, low, high);
}

static void plain_dequantize(const int8_t *x, float *y, uint32_t n, float scale, int32_t zero) {
    mg_dequantize_row_s8(x, y, n, scale, zero);
}

static void plain_multiply(const mg_product *k, const int8_t *x0, uint32_t step0, const int8_t *x1, uint32_t step1, int8_t *y,
                           uint32_t n) {
    mg_multiply_row_s8(k, x0, step0, x1, step1, y, n);
}

static void plain_sum(int32_t *sums, const int8_t *x, uint32_t pixels, uint32_t channels) {
    mg_sum_pixels_s8(sums, x, pixels, channels);
}

static void plain_largest(const mg_pool *p, const int8_t *x, int8_t *y) {
    mg_largest_s8(p, x, y);
}

static void plain_average(const mg_pool *p, const int8_t *x, int8_t *y) {
    mg_average_s8(p, x, y);
}

#include "REPLACEMENTS"

#include "hal.h"

#define LENGTH 134
#define PIXELS 300

static int8_t x[PIXELS * LENGTH], small[PIXELS * 9], y[2][LENGTH + 4];
static float reals[LENGTH], z[2][LENGTH + 4];
static int32_t sums[2][LENGTH + 4];
static uint32_t state = 1, compared = 0;

static uint32_t next(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static int32_t number(void) {
    return (int32_t)(next() & 0xffu) - 128;
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

static void compare(const char *verb, const void *a, const void *b, uint32_t bytes, uint32_t n) {
    compared++;
    if (memcmp(a, b, bytes) != 0) {
        put(verb);
        put_number(n);
        put("\n");
    }
}

static void check_rows(uint32_t n, uint32_t round) {
    const int32_t zero = number(), shift = (int32_t)(n % 20u) - 16;
    const mg_product product = {number(), number(), number(), (int32_t)((next() >> 2) | 0x40000000u), shift, -128 + (int32_t)round, 127};
    const float scale = (float)(1u + next() % 1000u) * 0x1p-10f;
    for (uint32_t i = 0; i < LENGTH; i++) {
        const float half = (float)((int32_t)(next() % 700u) - 350) * 0.5f; /* the quotient is near a half, or one */
        reals[i] = half * scale * (i % 3u == 0u ? 1.0f : (i % 3u == 1u ? 1.0000001f : 0.99999994f));
    }
    reals[0] = round == 0u ? NAN : INFINITY;
    plain_quantize(reals, y[0], n, scale, zero, -128 - zero, 127 - zero);
    mg_quantize_row_s8(reals, y[1], n, scale, zero, -128 - zero, 127 - zero);
    compare("quantize ", y[0], y[1], sizeof y[0], n);
    plain_dequantize(x, z[0], n, n % 5u == 0u ? 0x1p-130f : scale, zero);
    mg_dequantize_row_s8(x, z[1], n, n % 5u == 0u ? 0x1p-130f : scale, zero);
    compare("dequantize ", z[0], z[1], sizeof z[0], n);
    plain_multiply(&product, x, n % 3u != 0u, x + LENGTH, n % 3u != 1u, y[0], n);
    mg_multiply_row_s8(&product, x, n % 3u != 0u, x + LENGTH, n % 3u != 1u, y[1], n);
    compare("multiply ", y[0], y[1], sizeof y[0], n);
}

static void check_windows(uint32_t n, uint32_t round) {
    const int32_t rows = 1 + (int32_t)(n % 4u), columns = 1 + (int32_t)(n % 3u);
    mg_pool pool = {rows, columns, (columns + 1) * (int32_t)n, (int32_t)n, -128 + (int32_t)(round * (n % 100u)), 127 - (int32_t)round * 20};
    plain_largest(&pool, x, y[0]);
    mg_largest_s8(&pool, x, y[1]);
    compare("largest ", y[0], y[1], sizeof y[0], n);
    plain_average(&pool, x, y[0]);
    mg_average_s8(&pool, x, y[1]);
    compare("average ", y[0], y[1], sizeof y[0], n);
    memcpy(sums[1], sums[0], sizeof sums[0]);
    plain_sum(sums[0], x, (uint32_t)(rows * columns), n);
    mg_sum_pixels_s8(sums[1], x, (uint32_t)(rows * columns), n);
    compare("sum ", sums[0], sums[1], sizeof sums[0], n);
}

/* Numbers of pixels whose sums do and do not fit into 16 bits, all codes at one end and any. */
static void check_maps(uint32_t pixels, uint32_t round) {
    mg_pool pool = {1, (int32_t)pixels, 0, 9, -128, 127};
    for (uint32_t i = 0; i < sizeof small; i++) {
        small[i] = (int8_t)(round == 0u ? -128 : (round == 1u ? 127 : number()));
    }
    plain_average(&pool, small, y[0]);
    mg_average_s8(&pool, small, y[1]);
    compare("average of ", y[0], y[1], sizeof y[0], pixels);
    memcpy(sums[1], sums[0], sizeof sums[0]);
    plain_sum(sums[0], small, pixels, 9);
    mg_sum_pixels_s8(sums[1], small, pixels, 9);
    compare("sum of ", sums[0], sums[1], sizeof sums[0], pixels);
}

int main(void) {
    hal_init();
    for (uint32_t i = 0; i < sizeof x; i++) {
        x[i] = (int8_t)number();
    }
    for (uint32_t round = 0; round < 2u; round++) {
        for (uint32_t n = 1; n <= LENGTH; n++) {
            check_rows(n, round);
            check_windows(n, round);
        }
    }
    for (uint32_t round = 0; round < 3u; round++) {
        for (uint32_t pixels = 1; pixels <= PIXELS; pixels++) {
            check_maps(pixels, round);
        }
    }
    put("COMPARED ");
    put_number(compared);
    put("\n");
    hal_exit(0);
    return 0;
}
