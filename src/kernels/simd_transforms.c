/* The transforms of tiles along one line, for VEC channels at a time, for simd.c; their order of
 * operations is the reference's. */

enum { SIDE = AE_TILE_SIDE };

/* r[1..4] = even + odd parts of a sum at a, and at -a; at b, and at -b. */
INLINE void at_points(vec r[SIDE], vec even_a, vec odd_a, vec even_b, vec odd_b) {
    r[1] = vec_fma(vec_set(AE_TILE_A), odd_a, even_a);
    r[2] = vec_fma(vec_set(-AE_TILE_A), odd_a, even_a);
    r[3] = vec_fma(vec_set(AE_TILE_B), odd_b, even_b);
    r[4] = vec_fma(vec_set(-AE_TILE_B), odd_b, even_b);
}

/* Of `count` numbers: those read, or made. */
INLINE void transform_input(vec r[SIDE], const vec *d, int count) {
    (void)count;
    const vec a2 = vec_set(-AE_TILE_A2), b2 = vec_set(-AE_TILE_B2);
    const vec sum = vec_set(-AE_TILE_SUM), scale = vec_set(AE_TILE_PRODUCT);
    const vec even_a = vec_fma(b2, d[2], d[4]), odd_a = vec_fma(b2, d[1], d[3]);
    const vec even_b = vec_fma(a2, d[2], d[4]), odd_b = vec_fma(a2, d[1], d[3]);
    r[0] = vec_fma(scale, d[0], vec_fma(sum, d[2], d[4]));
    at_points(r, even_a, odd_a, even_b, odd_b);
    r[5] = vec_fma(scale, d[1], vec_fma(sum, d[3], d[5]));
}

INLINE void transform_output(vec *y, const vec m[SIDE], int count) {
    const vec even_a = vec_add(m[1], m[2]), odd_a = vec_sub(m[1], m[2]);
    const vec even_b = vec_add(m[3], m[4]), odd_b = vec_sub(m[3], m[4]);
    y[0] = vec_add(vec_add(m[0], even_a), even_b);
    if (count == 2) {
        y[1] = vec_fma(vec_set(AE_TILE_B), odd_b, vec_fma(vec_set(AE_TILE_A), odd_a, m[5]));
        return;
    }
    y[1] = vec_fma(vec_set(AE_TILE_B), odd_b, vec_mul(vec_set(AE_TILE_A), odd_a));
    y[2] = vec_fma(vec_set(AE_TILE_B2), even_b, vec_mul(vec_set(AE_TILE_A2), even_a));
    y[3] = vec_fma(vec_set(AE_TILE_B3), odd_b, vec_fma(vec_set(AE_TILE_A3), odd_a, m[5]));
}

INLINE void transform_gradient(vec q[SIDE], const vec *y, int count) {
    const vec a2 = vec_set(AE_TILE_A2), b2 = vec_set(AE_TILE_B2);
    vec even_a = y[0], odd_a = y[1], even_b = y[0], odd_b = y[1];
    if (count > 2) {
        even_a = vec_fma(a2, y[2], y[0]), odd_a = vec_fma(a2, y[3], y[1]);
        even_b = vec_fma(b2, y[2], y[0]), odd_b = vec_fma(b2, y[3], y[1]);
    }
    q[0] = y[0];
    at_points(q, even_a, odd_a, even_b, odd_b);
    q[5] = y[count - 1];
}

INLINE void transform_weights(vec *g, const vec s[SIDE], int count) {
    const vec even_a = vec_mul(vec_set(AE_TILE_CA), vec_add(s[1], s[2]));
    const vec odd_a = vec_mul(vec_set(AE_TILE_ACA), vec_sub(s[1], s[2]));
    const vec even_b = vec_mul(vec_set(AE_TILE_CB), vec_add(s[3], s[4]));
    const vec odd_b = vec_mul(vec_set(AE_TILE_BCB), vec_sub(s[3], s[4]));
    g[0] = vec_add(vec_fma(vec_set(AE_TILE_C0), s[0], even_a), even_b);
    g[1] = vec_add(odd_a, odd_b);
    if (count == 3) {
        g[2] = vec_fma(vec_set(AE_TILE_B2), even_b, vec_fma(vec_set(AE_TILE_A2), even_a, s[5]));
        return;
    }
    g[2] = vec_fma(vec_set(AE_TILE_B2), even_b, vec_mul(vec_set(AE_TILE_A2), even_a));
    g[3] = vec_fma(vec_set(AE_TILE_B2), odd_b, vec_mul(vec_set(AE_TILE_A2), odd_a));
    g[4] = vec_fma(vec_set(AE_TILE_B4), even_b, vec_fma(vec_set(AE_TILE_A4), even_a, s[5]));
}
