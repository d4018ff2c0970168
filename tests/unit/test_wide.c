/* test_wide.c - wide integers against quotients rounded by Python's fractions, and against the
 * compiler's 128-bit type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "data/wide.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static mp_i128 random_i128(void) {
    mp_u128 v = (mp_u128)next_random() << 64 | next_random();
    return (mp_i128)v >> (next_random() % 127);
}

/* Exact quotients rounded once: float(Fraction(num, den)). */
static void quotients(void **state) {
    (void)state;
    static const struct {
        mp_i256 num, den;
        double want;
    } v[] = {
        {{{0x1u, 0x0u, 0x0u, 0x0u}}, {{0x3u, 0x0u, 0x0u, 0x0u}}, 0x1.5555555555555p-2},
        {{{0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x3u, 0x0u, 0x0u, 0x0u}},
         -0x1.5555555555555p-2},
        {{{0x0u, 0x0u, 0x0u, 0x0u}}, {{0x5u, 0x0u, 0x0u, 0x0u}}, 0x0.0p+0},
        {{{0x20000000000001u, 0x0u, 0x0u, 0x0u}},
         {{0x1u, 0x0u, 0x0u, 0x0u}},
         0x1.0000000000000p+53},
        {{{0x20000000000003u, 0x0u, 0x0u, 0x0u}},
         {{0x1u, 0x0u, 0x0u, 0x0u}},
         0x1.0000000000002p+53},
        {{{0x4674edea40000000u, 0xc9f2c9cd0u, 0x0u, 0x0u}},
         {{0x7u, 0x0u, 0x0u, 0x0u}},
         0x1.cd98a8b00a10bp+96},
        {{{0x1u, 0x0u, 0x0u, 0x100u}}, {{0x0u, 0x0u, 0x80000u, 0x0u}}, 0x1.0000000000000p+53},
        {{{0x0u, 0x0u, 0x0u, 0x4000000000000200u}},
         {{0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0x7fffffffffffffffu}},
         0x1.0000000000001p-1},
        {{{0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0x3fffffffffffffffu}},
         {{0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0x3fffffffffffffffu}},
         0x1.0000000000000p+0},
        {{{0x1u, 0x0u, 0x0u, 0xc000000000000000u}},
         {{0x3u, 0x0u, 0x0u, 0x0u}},
         -0x1.5555555555555p+252},
        {{{0x1u, 0x0u, 0x0u, 0x0u}},
         {{0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0x7fffffffffffffffu}},
         0x1.0000000000000p-255},
        {{{0x1fffffffffffffu, 0x0u, 0x0u, 0x0u}},
         {{0x20000000000001u, 0x0u, 0x0u, 0x0u}},
         0x1.ffffffffffffep-1},
        {{{0x0u, 0x1000000000u, 0x4000000u, 0x0u}},
         {{0x0u, 0x2000000000u, 0x0u, 0x0u}},
         0x1.0000000000000p+53},
        {{{0x1u, 0x1000000000u, 0x4000000u, 0x0u}},
         {{0x0u, 0x2000000000u, 0x0u, 0x0u}},
         0x1.0000000000000p+53},
        {{{0xffffffffffffffffu, 0xffffffffffffffffu, 0xbfffffu, 0x1000u}},
         {{0x0u, 0x0u, 0x800000u, 0x0u}},
         0x1.0000000000001p+53},
        {{{0x269e0d37f2a74de4u, 0x32899u, 0x0u, 0x0u}},
         {{0x128b2f330c5c7fd0u, 0x892f902bd23f0824u, 0x2e1818e811u, 0x0u}},
         0x1.18ad5dca897e5p-84},
        {{{0xc9098a337e18b10bu, 0xe9ff5ca5f666af27u, 0x94f2ab6490fc98a5u, 0xffffff84ee1df470u}},
         {{0x8d116eu, 0x0u, 0x0u, 0x0u}},
         -0x1.bead20116e91cp+207},
        {{{0xd3acu, 0x0u, 0x0u, 0x0u}},
         {{0xf28c105d1fb17c23u, 0xa170b33839263059u, 0x1413eu, 0x0u}},
         0x1.515ce17ff6babp-129},
        {{{0x658cda1495e60af5u, 0xf9ebdacc0cb1e29cu, 0x3898du, 0x0u}},
         {{0x8e8u, 0x0u, 0x0u, 0x0u}},
         0x1.96b489656fbd9p+134},
        {{{0xdb12195b94b34dbeu, 0xfffffffffffffbacu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x4913b32cu, 0x0u, 0x0u, 0x0u}},
         -0x1.e4cffc7168c43p+43},
        {{{0xae97ba94d0eda82fu, 0x1a61dbe22e44158bu, 0x94e3u, 0x0u}},
         {{0x301850c5a38fd547u, 0x18f135d25f557203u, 0x461c7u, 0x0u}},
         0x1.0fd1bcfb79c83p-3},
        {{{0x6188964ef0bdfa4cu, 0x80eafadbcb464a20u, 0xfffffffffffea3a2u, 0xffffffffffffffffu}},
         {{0xc6f877186d76b07eu, 0x7731af10506bf2efu, 0x12bu, 0x0u}},
         -0x1.29cd58e617d0ep+8},
        {{{0x3f98e2774cbd87adu, 0x196b8e84u, 0x0u, 0x0u}},
         {{0x63d1b2f14c94u, 0x0u, 0x0u, 0x0u}},
         0x1.04c61f21ac8f3p+46},
        {{{0xffffffffffed9e53u, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x7ebff20686734721u, 0x1c01u, 0x0u, 0x0u}},
         -0x1.500cb2e55a469p-57},
        {{{0xb649b5f78d1933c6u, 0x51342c7641b4303u, 0xff0e3387ed42b531u, 0xffffffffffffffffu}},
         {{0x2a3af4d46b0a18e8u, 0x5790f82ec1d3fcffu, 0x2u, 0x0u}},
         -0x1.9cf7e326ba62dp+54},
        {{{0x9b91e0bf5f68369u, 0xfffffec254efce2fu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x92b1d3f28ede0d7au, 0xe01f5057ca02135eu, 0x5051c1ccd17f9acau, 0x5u}},
         -0x1.de4237116b947p-91},
        {{{0x9474031b7f26144bu, 0x74c9df6acc011cddu, 0x2334e5u, 0x0u}},
         {{0xf1d69ed617f5e837u, 0x795e8229451abd81u, 0xaa05e11ab2715945u, 0x10a3d6u}},
         0x1.0ed1fedb68563p-63},
        {{{0x4f426dcbb394fb36u, 0x93f448b3a5aa3c81u, 0xae658f3fe3b890bu, 0x0u}},
         {{0x48db40af72158370u, 0x62c33a4fb774eb52u, 0xab2cd31ee3151288u, 0x2c6aau}},
         0x1.f6939f56c9812p-23},
        {{{0xa5004dd689ce566eu, 0x639ac6c7d4fac819u, 0x819d55f5e2060287u, 0xffff9047f0e85cffu}},
         {{0x211c70cf49952399u, 0x3f63af83bd0561e6u, 0x6415479c65dc9f50u, 0x1du}},
         -0x1.e68b9b17acbabp+41},
        {{{0x552dfu, 0x0u, 0x0u, 0x0u}},
         {{0x8ca8181166d22876u, 0x7112b4720771fu, 0x0u, 0x0u}},
         0x1.81b247975dd19p-97},
        {{{0xdd2e16096e36aab0u, 0x47469a4d8cdb305fu, 0x6a50df4db4d66a3au, 0x3f224u}},
         {{0xe25a7605aec6f024u, 0x616499cu, 0x0u, 0x0u}},
         0x1.4be5f055e005fp+119},
        {{{0x16153e7c2au, 0x0u, 0x0u, 0x0u}},
         {{0x543b618676u, 0x0u, 0x0u, 0x0u}},
         0x1.0c75f54764f09p-2},
        {{{0xfffffffffffffff9u, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x2eae05cf96d0cc5fu, 0x482c9cbc43435cc5u, 0x254b0c4e010c4759u, 0xd6802u}},
         -0x1.0b565c1333b8bp-209},
        {{{0xae6f770a6f0442efu, 0xdfdfc9d90c01c63fu, 0xffffffffe9e779dau, 0xffffffffffffffffu}},
         {{0xf341e07a83f73f16u, 0xa7abe1c29e1a8ef4u, 0xbd628881ad1b72dbu, 0xdd27a6u}},
         -0x1.993c3bc509908p-60},
        {{{0x3853eb6e21077cccu, 0x201fe76c0c512f49u, 0x33be965c51c5d480u, 0xffffffcd70d39137u}},
         {{0x64e50cad66237a04u, 0x1e1a81682cu, 0x0u, 0x0u}},
         -0x1.adf48ab78b867p+128},
        {{{0x30cbu, 0x0u, 0x0u, 0x0u}}, {{0x3f04cu, 0x0u, 0x0u, 0x0u}}, 0x1.8c6c450b0c5f9p-5},
        {{{0x1c2442f9298cb3a5u, 0x13392570dc195u, 0x0u, 0x0u}},
         {{0x68du, 0x0u, 0x0u, 0x0u}},
         0x1.779d7eebb4627p+101},
        {{{0x76a0284cd946b381u, 0xd11b1bae6066e63u, 0xfffffffffffe8ba9u, 0xffffffffffffffffu}},
         {{0x1200339d068739fau, 0x353c631cdfd43f37u, 0x274ce807u, 0x0u}},
         -0x1.2f2c92b33d70fp-13},
        {{{0xffffffdf5d975579u, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x9a2ef80f58ee8571u, 0x7961fd925d39d0a8u, 0x1d87cec31f7296abu, 0xf9e40d953ee26u}},
         -0x1.0b753740e7cddp-207},
        {{{0xb02a724184236975u, 0xfed8d8edea037661u, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0x5ff550au, 0x0u, 0x0u, 0x0u}},
         -0x1.89b53f900b818p+93},
        {{{0x8579085dbc38e466u, 0x4ed55e092bd02244u, 0xdef4600fd6abf591u, 0xffffffffffffffffu}},
         {{0xdu, 0x0u, 0x0u, 0x0u}},
         -0x1.455ec4505bd90p+185},
        {{{0xffffffdd4f57bb1bu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu}},
         {{0xc215a82a06ec41adu, 0x4c4f9b0687322e25u, 0xa49636a2fa7f0eabu, 0xbadd02de92u}},
         -0x1.7c32f4da9952bp-195},
        {{{0x177c5e2ba21ff669u, 0xa4f11890d53cbbb9u, 0xffffffffffffffe7u, 0xffffffffffffffffu}},
         {{0x22a90928857f9a4u, 0x0u, 0x0u, 0x0u}},
         -0x1.67c7f0884b9e5p+75},
        {{{0x9cfc865239194242u, 0xc9d488b1cfbf3360u, 0x6fc241d0bu, 0x0u}},
         {{0xce5b2a9231f51707u, 0xd17e44973d4882a5u, 0xbd68516766934036u, 0x66d3637u}},
         0x1.163d7fffa4e6cp-56},
        {{{0x7e26f8483f8b8u, 0x0u, 0x0u, 0x0u}},
         {{0x76b3e36bb2313f5u, 0xfd56a92u, 0x0u, 0x0u}},
         0x1.fde8fef8c70e8p-42},
        {{{0xeffc85dfc7c9b800u, 0xb4e52696f02b77e0u, 0xf1bebe9ffu, 0x0u}},
         {{0x3192b70442594053u, 0x9b1491e24u, 0x0u, 0x0u}},
         0x1.8f0ffca44eb86p+64},
        {{{0x38c7b3f0d8c23d8bu, 0x7d14cbca6f93232cu, 0x577u, 0x0u}},
         {{0xf979d04af47aebddu, 0x5d58cu, 0x0u, 0x0u}},
         0x1.dfc13cefe2a1fp+55},
        {{{0x1e0380ab63380001u, 0x8e9fa1bff5fd0660u, 0xa7912647ff7u, 0x0u}},
         {{0x5675f6ad325b55ddu, 0x73451d013u, 0x0u, 0x0u}},
         0x1.742521a26f88ap+72},
        {{{0xc66a2c0ae3e2515u, 0x274e8b1052a5bd5cu, 0xcb86aabu, 0x0u}},
         {{0xa72991b9e8c14743u, 0x195810d60eu, 0x0u, 0x0u}},
         0x1.00fa2d726c86cp+55},
        {{{0xd22f966010fa98c0u, 0x1dd2b4556622904fu, 0x15d6b7u, 0x0u}},
         {{0xb6246771c8450071u, 0x1801269u, 0x0u, 0x0u}},
         0x1.d1ce41eb2010ap+59},
        {{{0xdc85d92ec957968du, 0xe6be5506097e26d0u, 0x1ce11fu, 0x0u}},
         {{0xa2c68e45ca04c79fu, 0x2a8fec7cu, 0x0u, 0x0u}},
         0x1.5b673e39639bfp+55},
        {{{0x604cecab2aea295fu, 0xd6bc6670cdeed37du, 0x53c0fu, 0x0u}},
         {{0xf26149edbe4c5ce7u, 0xadea24u, 0x0u, 0x0u}},
         0x1.ed2366555abfep+58},
        {{{0xb2a8a85b2128c001u, 0x2f62f2de8b89u, 0x0u, 0x0u}},
         {{0x4b926b1cffdu, 0x0u, 0x0u, 0x0u}},
         0x1.410b2fe3c9c90p+67},
        {{{0x4eb1a0e60fc2a7ffu, 0xe250b0fae2a083d5u, 0x1258b8017ef822u, 0x0u}},
         {{0x796f74adfaf55497u, 0xeffdda842bc19u, 0x0u, 0x0u}},
         0x1.39202256badf9p+64},
        {{{0x60af5d433dce9539u, 0x3ff905c6245u, 0x0u, 0x0u}},
         {{0x3a56c057a40b3u, 0x0u, 0x0u, 0x0u}},
         0x1.18b8e8c74fc1fp+56},
        {{{0x336bdff3be6140bfu, 0x1d796222e3e00bu, 0x0u, 0x0u}},
         {{0x1f91d016f0e2289u, 0x0u, 0x0u, 0x0u}},
         0x1.de041bfdefc15p+59},
        {{{0x77bc3e494ed40000u, 0xed94792d31702687u, 0x120u, 0x0u}},
         {{0x804c25d64affdcd1u, 0x1u, 0x0u, 0x0u}},
         0x1.80f07072a98d2p+71},
        {{{0x73f3932977d7f800u, 0x4fed33df29f5c5feu, 0x21f3002u, 0x0u}},
         {{0x218e0b7bd58dcdb5u, 0x1f2ee08u, 0x0u, 0x0u}},
         0x1.16b564265bb32p+64},
        {{{0x9fc17e62bcf0ffffu, 0x543bb52b01bf8ef8u, 0x833dd59d0fceu, 0x0u}},
         {{0xd3bf6d016bae4b5bu, 0x383eaefc4d2u, 0x0u, 0x0u}},
         0x1.2aacba997f351p+69},
        {{{0xba20c15fc6268ca1u, 0x66e1e3fd7bc757f9u, 0x125efc8dc1u, 0x0u}},
         {{0x4c9d78d82b33599u, 0x385df703017u, 0x0u, 0x0u}},
         0x1.4dbd78825ae57p+58},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        double got = mp_i256_div_to_double(v[i].num, v[i].den);
        if (got != v[i].want) fail_msg("case %zu: %a, not %a", i, got, v[i].want);
        mp_i128 num, den;
        if (mp_i256_fits_i128(v[i].num, &num) && mp_i256_fits_i128(v[i].den, &den))
            assert_true(mp_i128_div_to_double(num, (mp_u128)den) == v[i].want);
    }
}

static void sums_and_differences(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        mp_i128 a = random_i128() / 2, b = random_i128() / 2, got;
        mp_i256 x = mp_i256_from_i128(a), y = mp_i256_from_i128(b);
        assert_true(mp_i256_fits_i128(mp_i256_add(x, y), &got) && got == a + b);
        assert_true(mp_i256_fits_i128(mp_i256_sub(x, y), &got) && got == a - b);
        assert_true(mp_i256_fits_i128(mp_i256_neg(x), &got) && got == -a);
        assert_int_equal(mp_i256_cmp(x, y), (a > b) - (a < b));
        mp_i256 z = x;
        mp_i256_add_i128(&z, b);
        assert_int_equal(mp_i256_cmp(z, mp_i256_add(x, y)), 0);
        /* beyond 128 bits: (a * 2^120 + b) - a * 2^120 = b */
        mp_i256 big = mp_i256_mul_i128(a, (mp_i128)1 << 120);
        z = big;
        mp_i256_add_i128(&z, b);
        assert_true(mp_i256_fits_i128(mp_i256_sub(z, big), &got) && got == b);
    }
    mp_i128 untouched = 7;
    assert_false(mp_i256_fits_i128(
        mp_i256_add(mp_i256_from_i128(MP_I128_MAX), mp_i256_from_i128(1)), &untouched));
    assert_true(untouched == 7);
    assert_true(mp_i256_is_neg(mp_i256_from_i128(MP_I128_MIN)));
    assert_true(mp_i256_is_zero(mp_i256_zero()));
}

/* (a + b)^2 = a^2 + 2ab + b^2, and products of small factors by the compiler. */
static void products(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        mp_i128 a = random_i128() / 4, b = random_i128() / 4, got;
        mp_i256 ab = mp_i256_mul_i128(a, b);
        mp_i256 left = mp_i256_mul_i128(a + b, a + b);
        mp_i256 right = mp_i256_add(mp_i256_mul_i128(a, a), mp_i256_mul_i128(b, b));
        right = mp_i256_add(right, mp_i256_add(ab, ab));
        assert_int_equal(mp_i256_cmp(left, right), 0);
        int64_t c = (int64_t)next_random(), d = (int64_t)next_random();
        assert_true(mp_i256_fits_i128(mp_i256_mul_i128(c, d), &got) && got == (mp_i128)c * d);
        uint64_t u = next_random() >> 40;
        b >>= 30; /* u * b fits */
        mp_i256 by_word;
        assert_true(mp_i256_mul_u64(mp_i256_mul_i128(a, b), u, &by_word));
        assert_int_equal(mp_i256_cmp(by_word, mp_i256_mul_i128(a, b * (mp_i128)u)), 0);
    }
    mp_i256 out, half = mp_i256_mul_i128(MP_I128_MAX, MP_I128_MAX);
    assert_true(mp_i256_mul_u64(half, 2, &out));
    assert_false(mp_i256_mul_u64(half, 4, &out));
    assert_false(mp_i256_mul_u64(half, UINT64_MAX, &out));
    assert_true(mp_i256_to_double(half) == 0x1p254);
}

/* Rounding to double agrees with the compiler's conversion, and with ldexp into the subnormals. */
static void rounding(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++) {
        mp_i128 a = random_i128();
        assert_true(mp_i128_to_double(a) == (double)a);
        assert_true(mp_i256_to_double(mp_i256_from_i128(a)) == (double)a);
        uint64_t m = next_random() >> (next_random() % 11); /* 53 bits or more */
        /* a long double holds 64 bits, so this conversion rounds once */
        int e = -(int)(next_random() % 100) - 1030;
        assert_true(mp_round_u128(m, false, e) == (double)ldexpl((long double)m, e));
    }
    assert_true(mp_round_u128(1, false, -1075) == 0);
    assert_true(mp_round_u128(3, false, -1076) == 0x1p-1074);
    assert_true(mp_round_u128((mp_u128)1 << 60, true, -1135) == 0x1p-1074);
    assert_true(mp_round_u128((mp_u128)1 << 60, false, -1135) == 0);
    assert_true(mp_round_u128(1, false, -3000) == 0);
    assert_true(mp_round_u128(1, false, 1023) == 0x1p1023);
    assert_true(mp_round_u128(1, false, 1024) == (double)INFINITY);
    assert_true(mp_round_u128(((mp_u128)1 << 54) - 1, false, 970) == (double)INFINITY);
    assert_true(mp_round_u128(((mp_u128)1 << 53) - 1, false, 971) == 0x1.fffffffffffffp1023);
    assert_true(mp_round_u128(0, false, 0) == 0);
}

static void means(void **state) {
    (void)state;
    assert_true(mp_mean_to_double(10, 4, 0) == 2.5);
    assert_true(mp_mean_to_double(-1, 3, 2) == -1.0 / 300.0);
    assert_true(mp_mean_to_double((mp_i128)1 << 100, (int64_t)1 << 60, 0) == 0x1p40);
    assert_true(mp_mean_to_double(MP_I128_MAX, INT64_MAX, 18) == 0x1.2725dd1d243acp+4);
    assert_true(mp_mean_to_double(0, 5, 18) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotients), cmocka_unit_test(sums_and_differences),
        cmocka_unit_test(products),  cmocka_unit_test(rounding),
        cmocka_unit_test(means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
