/* What the parts of the compiled half share. Each stage of the data path has one file:
 *
 *   frames.c    bytes of a socket   -> payloads of plain text frames
 *   json.c      payload             -> trades, quotes, tickers, book updates
 *   book.c      book updates        -> levels, kept in order
 *   ring.c      rows                -> lanes of the segment; and back, for readers
 *   fastpath.c  all of these, frame by frame, for what is ordinary
 *   records.c   the small records that both halves count in
 *   learner.c   what the brain learns with: mixtures of experts, P(move)
 *   stages.c    the first of these without the later ones, for measurement
 *   window.c    rows                -> the features that the brain learns from
 *
 * The rule of all of it: a frame is either taken whole, with the effect that the Python code would
 * have had, or declined before anything has changed. Nothing is decided here that Python does not
 * decide too; what is unusual is always Python's.
 */
#ifndef HUNTER_KERNEL_H
#define HUNTER_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* hunter.ring.rows.Kind */
enum { HN_TRADE, HN_BBO, HN_TICKER, HN_BOOK, HN_MERGED_KINDS, HN_KINDS = 11 };
#define HN_BOOK_LEVELS 20 /* hunter.ring.rows.BOOK_LEVELS */
#define HN_NO_SEQUENCE (-1)
/* hunter.status.histogram: 16 counters to an octave, 60 octaves */
#define HN_HISTOGRAM_SUB_BITS 4
#define HN_HISTOGRAM_COUNTERS (16 * 60)

/* ---- json.c ------------------------------------------------------------------------------- */

/* Bytes within the frame that is being read; valid as long as that is. */
typedef struct {
    const char *start;
    size_t length;
} HnText;

/* {"arg":{"channel":C,"instId":I},"action":A,"data":D}, keys in any order. */
typedef struct {
    HnText channel;
    HnText inst_id;
    HnText action; /* length 0: none */
    HnText data;   /* the value itself, brackets and all, not looked into yet */
} HnEnvelope;

typedef struct {
    double price;
    double size;
} HnLevel;

typedef struct {
    int64_t trade_id;
    int64_t exchange_ts_ns;
    int64_t seq_id;
    double price;
    double size;
    uint16_t count;
    int8_t side;         /* 1 buy, -1 sell */
    int8_t order_source;
} HnTrade;

/* In the order of the ring's row: last, last size, bid, bid size, ask, ask size, open, high, low,
 * volume, volume in currency; NaN where the exchange left it empty. */
typedef struct {
    double numbers[11];
    int64_t exchange_ts_ns;
} HnTicker;

#define HN_MESSAGE_LEVELS_MAX 1024 /* a side; a longer message is declined */
typedef struct {
    int64_t exchange_ts_ns;
    int64_t seq_id;
    int64_t prev_seq_id;
    int bid_count;
    int ask_count;
    HnLevel bids[HN_MESSAGE_LEVELS_MAX]; /* as sent, also those of size 0 */
    HnLevel asks[HN_MESSAGE_LEVELS_MAX];
} HnBookMessage;

/* All of these: false, or 0 items, when the text is not exactly what is ordinary. What they accept,
 * the Python decoders accept too, with the same values bit for bit. */
bool hn_json_envelope(const char *text, size_t length, HnEnvelope *out);
int hn_json_trades(HnText data, HnTrade *out, int count_max);
bool hn_json_ticker(HnText data, HnTicker *out);        /* a list of one */
bool hn_json_book(HnText data, HnBookMessage *out);     /* a list of one, with checksum 0 or none */

/* ---- frames.c ----------------------------------------------------------------------------- */

enum { HN_FRAME_PLAIN, HN_FRAME_INCOMPLETE, HN_FRAME_OTHER };
/* The frame that begins at `at`; PLAIN: final, text, not masked, not compressed, of length_max
 * bytes at most. `*payload` and `*next` are set for PLAIN only. */
int hn_frame(const char *at, const char *end, size_t length_max, HnText *payload,
             const char **next);

/* ---- records.c: one truth in two hands; Python reads and writes the same fields ------------- */

/* hunter.exchange.okx.chaintail: where a chain of matches ends. */
typedef struct {
    PyObject_HEAD
    int64_t end;          /* newest match known and released; -1 before the first */
    int64_t newest_ts_ns; /* exchange time */
    int64_t row_count;
    int64_t match_count;
    int64_t last_count;   /* of the newest row; 0 when there is none to compare with */
    double last_price;
    double last_size;
} HnChainTail;

/* hunter.stream.tally: what every push of one channel of one instrument changes. `lag` is a
 * buffer of HN_HISTOGRAM_COUNTERS uint64, exchange to receive in us. */
typedef struct {
    PyObject_HEAD
    int64_t messages;
    int64_t last_data_ns;
    int64_t last_exchange_ts_ns;
    Py_buffer lag;
} HnTally;

/* hunter.exchange.okx.heard: what every push of a subscription changes in its session. */
typedef struct {
    PyObject_HEAD
    int64_t heard_ns;
    int64_t data_count;
} HnHeard;

extern PyTypeObject HnChainTail_Type, HnTally_Type, HnHeard_Type;
void hn_histogram_record(uint64_t *counters, int64_t value);

/* ---- book.c ------------------------------------------------------------------------------- */

#define HN_BOOK_LEVELS_MAX 4096 /* a side */

/* hunter.exchange.okx.bookstate: levels and ids of one book. Sides lie in order of price,
 * ascending, so the best bid is the last of its side. */
typedef struct {
    PyObject_HEAD
    HnLevel *bids;
    HnLevel *asks;
    int bid_count, bid_room;
    int ask_count, ask_room;
    int64_t seq_id;
    int64_t exchange_ts_ns;
    int64_t snapshot_count;
    int64_t update_count;
    int64_t orphan_delete_count;
} HnBookState;

/* hunter.exchange.okx.keptops: the newest tops (at most 5 levels a side) by sequence id. */
#define HN_KEPT 64
#define HN_KEPT_LEVELS 5
typedef struct {
    int64_t seq_id; /* HN_NO_SEQUENCE: free */
    int bid_count, ask_count;
    HnLevel bids[HN_KEPT_LEVELS]; /* best first */
    HnLevel asks[HN_KEPT_LEVELS];
} HnTop;

typedef struct {
    PyObject_HEAD
    HnTop tops[HN_KEPT];
    int next; /* the oldest, which the next one replaces */
    int64_t id_max; /* no kept id is larger; most ids that are asked for are */
} HnKeptTops;

/* hunter.exchange.okx.calm: what an agreement between a book and its quotes changes. */
typedef struct {
    PyObject_HEAD
    int64_t compared_count;
    int64_t agreed_in_a_row;
    int64_t quotes_compared_id; /* HN_NO_SEQUENCE: none yet */
    int64_t tops_compared_id;
    int64_t last_id;            /* of the book */
} HnCalm;

extern PyTypeObject HnBookState_Type, HnKeptTops_Type, HnCalm_Type;

/* Absolute sizes for some levels; returns how many deletions met no level, or -1 without memory
 * (then the side is unchanged). `is_ask` tells the side. */
int hn_book_merge(HnBookState *book, bool is_ask, const HnLevel *levels, int count);
/* The best levels of both sides, best first. */
void hn_book_top(const HnBookState *book, int level_count_max, HnLevel *bids, int *bid_count,
                 HnLevel *asks, int *ask_count);
/* Whether the best prices would cross once `message` were merged: looked at before the merge. */
bool hn_book_would_cross(const HnBookState *book, const HnBookMessage *message);

void hn_kept_keep(HnKeptTops *kept, const HnTop *top);            /* a repeated id counts as new */
const HnTop *hn_kept_find(const HnKeptTops *kept, int64_t seq_id); /* NULL: not kept */
bool hn_kept_drop(HnKeptTops *kept, int64_t seq_id);

/* ---- ring.c ------------------------------------------------------------------------------- */

/* The lanes of a segment as its writer sees them. */
typedef struct HnLanes HnLanes;
extern PyTypeObject HnLanes_Type;

/* Begin the next row of a lane: its sequence and, for the merged kinds, its arrival number are
 * stored in it; the caller fills the rest and seals it before it claims the next. NULL with an
 * exception set (WriterFenced): nothing was begun. */
unsigned char *hn_lanes_claim(HnLanes *lanes, uint32_t instrument, uint32_t kind);
uint32_t hn_lanes_row_bytes(const HnLanes *lanes, uint32_t kind);
bool hn_lanes_has(const HnLanes *lanes, uint32_t instrument, uint32_t kind);
/* Store the check that closes a row. */
void hn_row_seal(unsigned char *row, uint32_t row_bytes);
/* Make everything put so far visible: 1, 0 when there was nothing, -1 with WriterFenced set. */
int hn_lanes_publish(HnLanes *lanes);

/* zlib's CRC-32. */
uint32_t hn_crc32(uint32_t crc, const unsigned char *bytes, size_t length);

/* ---- fastpath.c --------------------------------------------------------------------------- */

extern PyTypeObject HnRoute_Type, HnFastPath_Type;

/* ---- each file adds its names to the module ------------------------------------------------- */

int hn_add_json(PyObject *module);
int hn_add_frames(PyObject *module);
int hn_add_records(PyObject *module);
int hn_add_book(PyObject *module);
int hn_add_ring(PyObject *module);
int hn_add_fastpath(PyObject *module);
int hn_add_stages(PyObject *module);
int hn_add_learner(PyObject *module);
int hn_add_window(PyObject *module);

#endif
