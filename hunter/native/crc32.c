/* zlib's CRC-32: every row is closed by one, so its cost is part of every row's.
 *
 * Tables everywhere; on x86-64 with carry-less multiplication what is longer than a block is folded
 * into one first, on arm64 with CRC instructions those do it all. All three give the same value.
 */
#include "kernel.h"
#include "ring.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are little-endian, and so must be the machine"
#endif

#define POLYNOMIAL 0xEDB88320u /* bits of a byte come lowest first */

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static void
prepare(void)
{
}

uint32_t
hn_crc32(uint32_t crc, const unsigned char *bytes, size_t length)
{
    crc = ~crc;
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __crc32d(crc, word);
    }
    for (; length; bytes++, length--) {
        crc = __crc32b(crc, *bytes);
    }
    return ~crc;
}

#else

/* tables[k][b]: what byte b does to the register, k bytes later. */
static uint32_t tables[8][256];

static void
make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ (value & 1 ? POLYNOMIAL : 0);
        }
        tables[0][byte] = value;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int later = 1; later < 8; later++) {
            uint32_t before = tables[later - 1][byte];
            tables[later][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

/* The register after eight bytes, read as one little-endian word. */
static inline uint32_t
advance(uint32_t state, uint64_t word)
{
    word ^= state;
    return tables[7][word & 0xFF] ^ tables[6][word >> 8 & 0xFF] ^ tables[5][word >> 16 & 0xFF]
           ^ tables[4][word >> 24 & 0xFF] ^ tables[3][word >> 32 & 0xFF]
           ^ tables[2][word >> 40 & 0xFF] ^ tables[1][word >> 48 & 0xFF] ^ tables[0][word >> 56];
}

static uint32_t
by_tables(uint32_t state, const unsigned char *bytes, size_t length)
{
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = advance(state, word);
    }
    for (; length; bytes++, length--) {
        state = (state >> 8) ^ tables[0][(state ^ *bytes) & 0xFF];
    }
    return state;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define BLOCK 16
#define WITH_CARRY_LESS __attribute__((target("pclmul,sse4.1")))

static bool has_carry_less;

/* A CRC is a remainder, so a block may be replaced by any other of the same remainder: here by the
 * one that stands for it some blocks later. `far` holds, for the block's two halves, x to the power
 * of that distance in bits, +32 and -32, modulo the polynomial (bits reversed). */
WITH_CARRY_LESS static inline __m128i
moved(__m128i block, __m128i far)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(block, far, 0x00),
                         _mm_clmulepi64_si128(block, far, 0x11));
}

WITH_CARRY_LESS static inline __m128i
block_at(const unsigned char *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

/* length >= BLOCK, and length % BLOCK is 0 or at least 4. */
WITH_CARRY_LESS static uint32_t
by_folding(uint32_t state, const unsigned char *bytes, size_t length)
{
    static const unsigned char places[2 * BLOCK] = {
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
        0x80, 0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,
        14,   15,
    };
    const __m128i one_far = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i four_far = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    /* The odd bytes come first, with zeros before them: those change nothing, and the rest is whole
     * blocks. The state is added to the first four bytes. */
    size_t odd = length % BLOCK ? length % BLOCK : BLOCK;
    __m128i sum = _mm_xor_si128(block_at(bytes), _mm_cvtsi32_si128((int)state));
    sum = _mm_shuffle_epi8(sum, block_at(places + odd));
    bytes += odd;
    length -= odd;
    if (length >= 7 * BLOCK) {
        /* four at a time: one multiplication takes longer than until the next may begin */
        __m128i second = block_at(bytes), third = block_at(bytes + BLOCK);
        __m128i fourth = block_at(bytes + 2 * BLOCK);
        bytes += 3 * BLOCK;
        length -= 3 * BLOCK;
        for (; length >= 4 * BLOCK; bytes += 4 * BLOCK, length -= 4 * BLOCK) {
            sum = _mm_xor_si128(moved(sum, four_far), block_at(bytes));
            second = _mm_xor_si128(moved(second, four_far), block_at(bytes + BLOCK));
            third = _mm_xor_si128(moved(third, four_far), block_at(bytes + 2 * BLOCK));
            fourth = _mm_xor_si128(moved(fourth, four_far), block_at(bytes + 3 * BLOCK));
        }
        sum = _mm_xor_si128(moved(sum, one_far), second);
        sum = _mm_xor_si128(moved(sum, one_far), third);
        sum = _mm_xor_si128(moved(sum, one_far), fourth);
    }
    for (; length; bytes += BLOCK, length -= BLOCK) {
        sum = _mm_xor_si128(moved(sum, one_far), block_at(bytes));
    }
    state = advance(0, (uint64_t)_mm_cvtsi128_si64(sum));
    return advance(state, (uint64_t)_mm_extract_epi64(sum, 1));
}

static void
prepare(void)
{
    make_tables();
    has_carry_less = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

uint32_t
hn_crc32(uint32_t crc, const unsigned char *bytes, size_t length)
{
    if (!has_carry_less || length < 2 * BLOCK) {
        return ~by_tables(~crc, bytes, length);
    }
    size_t few = length % BLOCK < 4 ? length % BLOCK : 0;
    return ~by_folding(by_tables(~crc, bytes, few), bytes + few, length - few);
}

#else

static void
prepare(void)
{
    make_tables();
}

uint32_t
hn_crc32(uint32_t crc, const unsigned char *bytes, size_t length)
{
    return ~by_tables(~crc, bytes, length);
}

#endif
#endif

static PyObject *
crc32_of(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer bytes;
    unsigned int crc = 0;
    if (!PyArg_ParseTuple(args, "y*|I:crc32", &bytes, &crc)) {
        return NULL;
    }
    crc = hn_crc32(crc, bytes.buf, (size_t)bytes.len);
    PyBuffer_Release(&bytes);
    return PyLong_FromUnsignedLong(crc);
}

static PyMethodDef crc32_methods[] = {
    {"crc32", crc32_of, METH_VARARGS, "As zlib.crc32; for tests."},
    {NULL, NULL, 0, NULL},
};

int
hn_add_crc32(PyObject *module)
{
    prepare();
    return PyModule_AddFunctions(module, crc32_methods);
}
