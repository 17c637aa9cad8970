/* What ring.c, reader.c and crc32.c share: words of a segment, and the order of loads and stores.
 *
 * On x86-64 none of this costs an instruction: stores are seen in program order there, and loads are
 * made in it; what is written below only keeps the compiler from changing that order. On arm64 a
 * processor may let any of these pass another unless it is told:
 *
 *   writer   intent     relaxed store   then a release fence: without it a row's first bytes may be
 *                                       seen before the intent that warns of them, and a reader's
 *                                       second look lets a torn row pass. The release store of the
 *                                       head before it is no help: that keeps earlier stores from
 *                                       sinking below it, not later ones from rising above it.
 *            rows       plain stores
 *            heads      release stores  without: a head is seen before the row it names
 *            arrivals   release stores  without: a merged reader sees the number before the head of
 *                                       another lane, and takes that lane for complete. They come
 *                                       after the heads of all instruments: mates count together,
 *                                       and the number of one speaks for the lanes of both
 *   reader   arrival, head  acquire     without: rows are loaded before the head that allows it
 *            intent     acquire load
 *            rows       plain copy      then an acquire fence: without it the second look may be
 *                                       made before the copy it is to judge
 *            intent     once more
 *
 * Rows are plain bytes, copied while a writer may store others there; C calls that a race. What such
 * a copy holds is never looked at before the second look has said that there was none.
 */
#ifndef HUNTER_RING_H
#define HUNTER_RING_H

#include "kernel.h"

#include <stdatomic.h>

typedef _Atomic uint64_t HnWord;
_Static_assert(sizeof(HnWord) == 8, "a word of the segment has eight bytes");
#if ATOMIC_LLONG_LOCK_FREE != 2
#error "a word must be stored whole, without a lock: its reader is another process"
#endif

#define HN_CHECK_BYTES 4
#define HN_ROW_HEAD_BYTES 16 /* sequence, arrival */
#define HN_CAPACITY_MAX (1u << 22)

/* Raise an error of hunter.errors. */
void hn_raise(const char *name, const char *text);
/* A segment's bytes; -1 with ValueError when its words are not aligned. */
int hn_segment_open(PyObject *view, int flags, Py_buffer *segment);
/* NULL with ValueError set unless the words or rows lie within the segment. */
HnWord *hn_segment_words(const Py_buffer *segment, uint64_t word, uint64_t count);
unsigned char *hn_segment_rows(const Py_buffer *segment, uint64_t offset, uint64_t capacity,
                               uint64_t row_bytes);

int hn_add_crc32(PyObject *module);
int hn_add_reader(PyObject *module);

#endif
