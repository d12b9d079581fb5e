/* Verbs over weights that lie in flash as int16: nothing has to be widened in the inner loops.  Defined in plain C99;
 * included after scalar.h, before the header of the instruction set that replaces them.
 *
 * The arguments are those of the verbs over int8 weights in scalar.h; only the streams differ.
 */
#ifndef MG_SIMD_WEIGHTS16_H
#define MG_SIMD_WEIGHTS16_H

/* The lower (0) or upper (1) half of a word. */
static inline int32_t mg_half_s16(uint32_t word, uint32_t half) {
    return (int32_t)((word >> (16u * half)) & 0xffffu) - (int32_t)((word >> (16u * half + 15u)) & 1u) * 65536;
}

/* mg_block_s8_2x3; for every four numbers k of depth the stream holds the pairs (k, k + 2) of the first and of the
 * second channel, then the pairs (k + 1, k + 3) of both. */
static inline void mg_block_w16_2x3(mg_block_s8 *b) {
    const int32_t steps = b->depth / 4;
    for (int32_t pair = 0; pair < b->pairs; pair++) {
        const uint32_t *const w = b->stream + 2, *const scale = w + 4 * steps;
        for (int32_t c = 0; c < 2; c++) {
            for (int32_t i = 2; i >= 0; i--) {
                uint32_t sum = b->stream[c];
                for (int32_t k = 0; k < b->depth; k++) {
                    const int32_t x = b->columns[(k >> 2) * 12 + (k & 1) * 6 + i * 2 + ((k >> 1) & 1)];
                    sum += (uint32_t)(x * mg_half_s16(w[4 * (k >> 2) + 2 * (k & 1) + c], ((uint32_t)k >> 1) & 1u));
                }
                b->y[c + (i == 0 ? 0 : (i == 1 ? b->next1 : b->next2))] = (int8_t)mg_requant_s8(
                    (int32_t)sum, (int32_t)scale[2 * c], (int32_t)((scale[1] >> (8 * c)) & 0xffu), b->zp2);
            }
        }
        b->stream += 4 * steps + 5;
        b->y += 2;
    }
}

/* mg_depthwise_s8_4; for every two taps t and t + 1 the stream holds the pair (t, t + 1) of each channel, and an odd
 * last tap as the pairs of channels (0, 2) and (1, 3). */
static inline void mg_depthwise_w16_4(mg_depthwise_s8 *d) {
    for (int32_t four = 0; four < d->fours; four++) {
        const uint32_t *const w = d->stream + 4, *const scale = w + 2 * d->taps;
        for (int32_t c = 0; c < 4; c++) {
            uint32_t sum = d->stream[c];
            for (int32_t t = 0; t < d->taps; t++) {
                const int32_t paired = (t | 1) < d->taps;
                const uint32_t word = paired ? w[2 * (t & ~1) + c] : w[2 * t + (c & 1)];
                sum += (uint32_t)(d->x[d->offsets[t] + c] * mg_half_s16(word, (uint32_t)(paired ? t & 1 : c >> 1)));
            }
            d->y[c] = (int8_t)mg_requant_s8((int32_t)sum, (int32_t)scale[c], (int32_t)((scale[4] >> (8 * c)) & 0xffu),
                                            d->zp2);
        }
        d->stream += 2 * d->taps + 9;
        d->x += 4;
        d->y += 4;
    }
}

/* Number k of row r: for every four numbers the pairs (k, k + 2) of four rows, then their pairs (k + 1, k + 3). */
static inline int32_t mg_row_w16(const uint32_t *w, int32_t k, int32_t r) {
    return mg_half_s16(w[2 * (k & ~3) + 4 * (k & 1) + r], ((uint32_t)k >> 1) & 1u);
}

/* mg_rows_s8_4. */
static inline void mg_rows_w16_4(const uint32_t *w, const int8_t *vector, int32_t depth, int32_t sum[4]) {
    for (int32_t r = 0; r < 4; r++) {
        uint32_t total = (uint32_t)sum[r];
        for (int32_t k = 0; k < depth; k++) {
            total += (uint32_t)(vector[k] * mg_row_w16(w, k, r));
        }
        sum[r] = (int32_t)total;
    }
}

#endif
