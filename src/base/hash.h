/* hash.h - the 64-bit hash of keys: portable, without seed, the same on every CPU; part of the
 * output order and of the manifest format, so it never changes (test vectors in
 * tests/unit/test_hash.c).
 * Source: the 128-bit multiply-and-fold mix of wyhash (Wang Yi) for up to 16 bytes; XXH3 (Collet)
 * above. */
#ifndef MP_BASE_HASH_H
#define MP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t mp_hash_mix(uint64_t a, uint64_t b) {
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Hash of exactly 16 bytes given as two little-endian words. */
static inline uint64_t mp_hash_16(uint64_t lo, uint64_t hi) {
    uint64_t h = mp_hash_mix(lo ^ 0x9E3779B97F4A7C15u, hi ^ 0xD6E8FEB86659FD93u);
    return mp_hash_mix(h ^ 0xA0761D6478BD642Fu, 0xE7037ED1A0B428DBu ^ lo);
}

/* Hash of n <= 16 bytes given as two little-endian words padded with zero bytes: 16 - n is mixed
 * into the last byte, which is padding unless n is 16, so texts of different lengths below 16 never
 * meet ("a" and "a\0" differ), and 16 bytes hash as mp_hash_16. */
static inline uint64_t mp_hash_short(uint64_t lo, uint64_t hi, size_t n) {
    return mp_hash_16(lo, hi ^ (uint64_t)(16 - n) << 56);
}

/* Hash of n bytes at any alignment: mp_hash_short for n <= 16, XXH3_64bits above. Reads no byte
 * outside [p, p + n). */
uint64_t mp_hash_bytes(const void *p, size_t n);

#endif
