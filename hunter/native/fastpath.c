/* The way of an ordinary frame from the socket's buffer into the ring: split, decode, follow on,
 * row. hunter/stream/fastpath.py says when a route may be armed; here is only what follows from
 * that. A frame is taken whole, with the effect that the Python code would have had, or declined
 * before anything has changed; its route is then not armed any more.
 */
#include "kernel.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are little-endian, and are stored here as the processor has them"
#endif

/* Of the rows that are stored here, by kind. */
static const uint32_t ROW_BYTES[HN_MERGED_KINDS] = {
    [HN_TRADE] = 64, [HN_BBO] = 128, [HN_TICKER] = 128, [HN_BOOK] = 704,
};

/* What the frames of a route are. `tops`: books5 beside books, which make no row. */
enum { ROUTE_TRADES, ROUTE_QUOTES, ROUTE_TICKERS, ROUTE_UPDATES, ROUTE_SNAPSHOTS, ROUTE_TOPS,
       ROUTE_KINDS };

enum { DECLINED = 0, TAKEN = 1, FAILED = -1 };

#define NAME_BYTES_MAX 100
#define TRADES_MAX 64 /* of one frame; more are Python's */
#define TABLE_SIZE_MIN 16
#define TRADE_FLAG_ENHANCED_LIQUIDITY 4 /* hunter.ring.rows.TradeFlag */

/* ---- the book as readers see it, in two hands ------------------------------------------------ */

/* hunter.stream.shown */
typedef struct {
    PyObject_HEAD
    char valid;
    int64_t seq_id;
    int64_t exchange_ts_ns;
} HnShown;

static PyMemberDef shown_members[] = {
    {"valid", T_BOOL, offsetof(HnShown, valid), 0, "Whether it is to be believed."},
    {"seq_id", T_LONGLONG, offsetof(HnShown, seq_id), 0, NULL},
    {"exchange_ts_ns", T_LONGLONG, offsetof(HnShown, exchange_ts_ns), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static int
shown_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"valid", "seq_id", "exchange_ts_ns", NULL};
    HnShown *shown = (HnShown *)self;
    int valid;
    long long seq_id, exchange_ts_ns;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "pLL", names, &valid, &seq_id,
                                     &exchange_ts_ns)) {
        return -1;
    }
    shown->valid = (char)valid;
    shown->seq_id = seq_id;
    shown->exchange_ts_ns = exchange_ts_ns;
    return 0;
}

static PyTypeObject HnShown_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Shown",
    .tp_doc = "The book of one instrument as readers see it.",
    .tp_basicsize = sizeof(HnShown),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = shown_init,
    .tp_members = shown_members,
};

/* ---- routes ---------------------------------------------------------------------------------- */

/* One channel of one instrument on one connection. What it counts in and compares with is given
 * when it is armed; nothing of it is looked at while it is not. */
typedef struct {
    PyObject_HEAD
    char channel[NAME_BYTES_MAX];
    char inst_id[NAME_BYTES_MAX];
    size_t channel_length;
    size_t inst_id_length;
    uint64_t hash;
    int kind;
    uint32_t instrument;
    char armed;
    HnHeard *heard;
    HnTally *tally;
    HnChainTail *tail;   /* trades */
    HnBookState *book;   /* updates, snapshots */
    HnShown *shown;      /* updates, snapshots */
    HnKeptTops *books;   /* these four: quotes, updates, snapshots, tops; none without a book */
    HnKeptTops *quotes_waiting;
    HnKeptTops *tops_waiting;
    HnCalm *calm;
} HnRoute;

static uint64_t
load_word(const char *at, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, at, length < 8 ? length : 8);
    return word;
}

/* Eight bytes at a time; the last eight overlap those before them. */
static uint64_t
hash_text(uint64_t hash, const char *text, size_t length)
{
    const uint64_t mix = 0x9E3779B97F4A7C15u;
    size_t at = 0;
    hash = (hash ^ length) * mix;
    for (; at + 8 < length; at += 8) {
        hash = (hash ^ load_word(text + at, 8)) * mix;
        hash ^= hash >> 29;
    }
    if (length > 8) {
        at = length - 8;
    }
    hash = (hash ^ load_word(text + at, length - at)) * mix;
    return hash ^ (hash >> 32);
}

static uint64_t
hash_names(HnText channel, HnText inst_id)
{
    return hash_text(hash_text(0, channel.start, channel.length), inst_id.start, inst_id.length);
}

static bool
is_named(const HnRoute *route, uint64_t hash, HnText channel, HnText inst_id)
{
    return route->hash == hash && route->channel_length == channel.length
           && route->inst_id_length == inst_id.length
           && memcmp(route->channel, channel.start, channel.length) == 0
           && memcmp(route->inst_id, inst_id.start, inst_id.length) == 0;
}

static int
copy_name(char *to, size_t *length, const char *name, Py_ssize_t name_length)
{
    if (name_length > NAME_BYTES_MAX) {
        PyErr_SetString(PyExc_ValueError, "a name of a route is too long");
        return -1;
    }
    memcpy(to, name, (size_t)name_length);
    *length = (size_t)name_length;
    return 0;
}

static int
route_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"channel", "inst_id", "kind", "instrument", NULL};
    HnRoute *route = (HnRoute *)self;
    const char *channel, *inst_id;
    Py_ssize_t channel_length, inst_id_length;
    int kind;
    unsigned int instrument;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s#s#iI", names, &channel, &channel_length,
                                     &inst_id, &inst_id_length, &kind, &instrument)) {
        return -1;
    }
    if (kind < 0 || kind >= ROUTE_KINDS) {
        PyErr_SetString(PyExc_ValueError, "no such kind of route");
        return -1;
    }
    if (copy_name(route->channel, &route->channel_length, channel, channel_length) < 0
        || copy_name(route->inst_id, &route->inst_id_length, inst_id, inst_id_length) < 0) {
        return -1;
    }
    route->hash = hash_names((HnText){route->channel, route->channel_length},
                             (HnText){route->inst_id, route->inst_id_length});
    route->kind = kind;
    route->instrument = instrument;
    route->armed = 0;
    return 0;
}

/* The records of a route, in the order `arm` has them. */
#define RECORD_COUNT 9
static const struct {
    PyTypeObject *type;
    size_t offset;
} RECORDS[RECORD_COUNT] = {
    {&HnHeard_Type, offsetof(HnRoute, heard)},
    {&HnTally_Type, offsetof(HnRoute, tally)},
    {&HnChainTail_Type, offsetof(HnRoute, tail)},
    {&HnBookState_Type, offsetof(HnRoute, book)},
    {&HnShown_Type, offsetof(HnRoute, shown)},
    {&HnKeptTops_Type, offsetof(HnRoute, books)},
    {&HnKeptTops_Type, offsetof(HnRoute, quotes_waiting)},
    {&HnKeptTops_Type, offsetof(HnRoute, tops_waiting)},
    {&HnCalm_Type, offsetof(HnRoute, calm)},
};

static PyObject **
record_of(HnRoute *route, size_t index)
{
    return (PyObject **)(void *)((char *)route + RECORDS[index].offset);
}

/* Whether what the frames of this kind change is all there. */
static bool
is_complete(const HnRoute *route)
{
    bool compares = route->calm && route->books && route->quotes_waiting && route->tops_waiting;
    bool any = route->calm || route->books || route->quotes_waiting || route->tops_waiting;
    if (!route->heard || !route->tally || !route->tally->lag.buf
        || route->tally->lag.len < (Py_ssize_t)(HN_HISTOGRAM_COUNTERS * sizeof(uint64_t))) {
        return false;
    }
    switch (route->kind) {
    case ROUTE_TRADES:
        return route->tail != NULL;
    case ROUTE_QUOTES:
        return compares || !any;
    case ROUTE_UPDATES:
    case ROUTE_SNAPSHOTS:
        return compares && route->book && route->shown;
    case ROUTE_TOPS:
        return compares;
    default:
        return true;
    }
}

static PyObject *
route_arm(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    HnRoute *route = (HnRoute *)self;
    if (count > RECORD_COUNT) {
        PyErr_SetString(PyExc_TypeError, "too many records");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (args[index] != Py_None && !PyObject_TypeCheck(args[index], RECORDS[index].type)) {
            PyErr_Format(PyExc_TypeError, "record %zd is no %s", index,
                         RECORDS[index].type->tp_name);
            return NULL;
        }
    }
    route->armed = 0;
    for (size_t index = 0; index < RECORD_COUNT; index++) {
        PyObject *given = (Py_ssize_t)index < count ? args[index] : Py_None;
        PyObject **place = record_of(route, index), *before = *place;
        *place = given == Py_None ? NULL : Py_NewRef(given);
        Py_XDECREF(before);
    }
    if (!is_complete(route)) {
        PyErr_SetString(PyExc_ValueError, "a record of this route is missing");
        return NULL;
    }
    route->armed = 1;
    Py_RETURN_NONE;
}

static void
route_dealloc(PyObject *self)
{
    for (size_t index = 0; index < RECORD_COUNT; index++) {
        Py_CLEAR(*record_of((HnRoute *)self, index));
    }
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef route_members[] = {
    {"armed", T_BOOL, offsetof(HnRoute, armed), READONLY, "Whether its frames may be taken."},
    {"kind", T_INT, offsetof(HnRoute, kind), READONLY, NULL},
    {"instrument", T_UINT, offsetof(HnRoute, instrument), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *
route_disarm(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((HnRoute *)self)->armed = 0;
    Py_RETURN_NONE;
}

static PyMethodDef route_methods[] = {
    {"arm", (PyCFunction)(void (*)(void))route_arm, METH_FASTCALL,
     "Take its frames from now on: heard, tally, tail, book, shown, books, quotes_waiting, "
     "tops_waiting, calm; None for what its kind does not have."},
    {"disarm", route_disarm, METH_NOARGS, "Take none until it is armed again."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HnRoute_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Route",
    .tp_doc = "One channel of one instrument on one connection.",
    .tp_basicsize = sizeof(HnRoute),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = route_init,
    .tp_dealloc = route_dealloc,
    .tp_members = route_members,
    .tp_methods = route_methods,
};

/* ---- the fast path of one connection --------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    HnLanes *lanes;
    HnRoute **table; /* open addressing; `mask` + 1 places, at most half of them used */
    size_t mask;
    size_t route_count;
    int64_t frame_count;
    int64_t byte_count;
    int64_t row_count;
    HnBookMessage message; /* too large for the stack of a thread */
} HnFastPath;

/* When the bytes of this run were read. `lags`: counters of a histogram of exchange to receive, in
 * ns, over all routes. */
typedef struct {
    int64_t received_ts_ns;
    int64_t now_ns;
    uint64_t *lags;
} Moment;

static HnRoute *
find_route(const HnFastPath *self, const HnEnvelope *envelope)
{
    uint64_t hash = hash_names(envelope->channel, envelope->inst_id);
    for (size_t place = hash & self->mask;; place = (place + 1) & self->mask) {
        HnRoute *route = self->table[place];
        if (route == NULL || is_named(route, hash, envelope->channel, envelope->inst_id)) {
            return route;
        }
    }
}

/* What every push of a channel changes, as Counters.on_push and the session have it. `repeats`:
 * for want of news the exchange sends the old time stamp again, which says nothing about a lag. */
static void
count_push(HnRoute *route, int64_t exchange_ts_ns, const Moment *moment, bool repeats)
{
    HnTally *tally = route->tally;
    route->heard->heard_ns = moment->now_ns;
    route->heard->data_count++;
    tally->messages++;
    tally->last_data_ns = moment->now_ns;
    if (!repeats || exchange_ts_ns > tally->last_exchange_ts_ns) {
        int64_t lag_ns = moment->received_ts_ns - exchange_ts_ns;
        hn_histogram_record((uint64_t *)tally->lag.buf, lag_ns / 1000);
        hn_histogram_record(moment->lags, lag_ns);
    }
    if (exchange_ts_ns > tally->last_exchange_ts_ns) {
        tally->last_exchange_ts_ns = exchange_ts_ns;
    }
}

static void
store_i64(unsigned char *row, size_t at, int64_t value)
{
    memcpy(row + at, &value, sizeof value);
}

static void
store_f64(unsigned char *row, size_t at, double value)
{
    memcpy(row + at, &value, sizeof value);
}

static void
store_u16(unsigned char *row, size_t at, uint16_t value)
{
    memcpy(row + at, &value, sizeof value);
}

/* Places within rows: hunter/ring/rows.py draws them. */
static int
put_trade(HnFastPath *self, const HnRoute *route, const HnTrade *trade, int64_t received_ts_ns)
{
    unsigned char *row = hn_lanes_claim(self->lanes, route->instrument, HN_TRADE);
    if (row == NULL) {
        return FAILED;
    }
    store_i64(row, 16, trade->trade_id);
    store_i64(row, 24, trade->exchange_ts_ns);
    store_i64(row, 32, received_ts_ns);
    store_f64(row, 40, trade->price);
    store_f64(row, 48, trade->size);
    store_u16(row, 56, trade->count);
    row[58] = (unsigned char)trade->side;
    row[59] = trade->order_source ? TRADE_FLAG_ENHANCED_LIQUIDITY : 0;
    hn_row_seal(row, hn_lanes_row_bytes(self->lanes, HN_TRADE));
    self->row_count++;
    return TAKEN;
}

/* TradeFeed.on_push while the chain has neither holes nor doubts: every row of the frame must
 * start where the one before it ended. */
static int
take_trades(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    HnTrade trades[TRADES_MAX];
    HnChainTail *tail = route->tail;
    int count = hn_json_trades(envelope->data, trades, TRADES_MAX);
    int64_t end = tail->end;
    if (count <= 0 || end < 0) {
        return DECLINED;
    }
    for (int index = 0; index < count; index++) {
        if (trades[index].trade_id - trades[index].count != end) {
            return DECLINED;
        }
        end = trades[index].trade_id;
    }
    for (int index = 0; index < count; index++) {
        const HnTrade *trade = &trades[index];
        if (put_trade(self, route, trade, moment->received_ts_ns) == FAILED) {
            return FAILED;
        }
        tail->end = trade->trade_id;
        if (trade->exchange_ts_ns > tail->newest_ts_ns) {
            tail->newest_ts_ns = trade->exchange_ts_ns;
        }
        tail->row_count++;
        tail->match_count += trade->count;
        tail->last_count = trade->count;
        tail->last_price = trade->price;
        tail->last_size = trade->size;
    }
    count_push(route, trades[count - 1].exchange_ts_ns, moment, false);
    return TAKEN;
}

static int
take_ticker(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    HnTicker ticker;
    unsigned char *row;
    if (!hn_json_ticker(envelope->data, &ticker)) {
        return DECLINED;
    }
    row = hn_lanes_claim(self->lanes, route->instrument, HN_TICKER);
    if (row == NULL) {
        return FAILED;
    }
    store_i64(row, 16, ticker.exchange_ts_ns);
    store_i64(row, 24, moment->received_ts_ns);
    memcpy(row + 32, ticker.numbers, sizeof ticker.numbers);
    memset(row + 120, 0, 4);
    hn_row_seal(row, hn_lanes_row_bytes(self->lanes, HN_TICKER));
    self->row_count++;
    count_push(route, ticker.exchange_ts_ns, moment, true);
    return TAKEN;
}

/* ---- a book and what contradicts it ---------------------------------------------------------- */

static bool
same_levels(const HnLevel *one, int one_count, const HnLevel *other, int other_count)
{
    if (one_count != other_count) {
        return false;
    }
    for (int index = 0; index < one_count; index++) {
        if (one[index].price != other[index].price || one[index].size != other[index].size) {
            return false;
        }
    }
    return true;
}

/* CrossCheck compares sides as sets of levels; here they must be equal one by one, which is what
 * an agreement looks like. Anything else is Python's to weigh. */
static bool
agrees(const HnTop *told, const HnTop *shown, int level_count)
{
    int bid_count = shown->bid_count < level_count ? shown->bid_count : level_count;
    int ask_count = shown->ask_count < level_count ? shown->ask_count : level_count;
    return same_levels(told->bids, told->bid_count, shown->bids, bid_count)
           && same_levels(told->asks, told->ask_count, shown->asks, ask_count);
}

static void
count_agreement(HnCalm *calm, int64_t *compared_id, int64_t seq_id)
{
    *compared_id = seq_id;
    calm->compared_count++;
    calm->agreed_in_a_row++;
}

/* CrossCheck._on_side, but for a disagreement: compare with the book of this id, or wait for it.
 * In two steps, so that nothing has changed when the frame is declined. */
static bool
may_compare(const HnRoute *route, const HnTop *told, int64_t compared_id, int level_count)
{
    const HnTop *shown;
    if (told->seq_id < 0 || told->seq_id == compared_id) {
        return true; /* the exchange repeats a quote when nothing changes: no second proof */
    }
    shown = hn_kept_find(route->books, told->seq_id);
    return shown == NULL || agrees(told, shown, level_count);
}

static void
compare(HnRoute *route, const HnTop *told, int64_t *compared_id, HnKeptTops *waiting)
{
    if (told->seq_id < 0 || told->seq_id == *compared_id) {
        return;
    }
    if (hn_kept_find(route->books, told->seq_id) != NULL) {
        count_agreement(route->calm, compared_id, told->seq_id);
    }
    else {
        hn_kept_keep(waiting, told);
    }
}

/* bbo-tbt: one level a side; one of size 0 is an empty side as well. */
static int
take_quote(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    HnBookMessage *message = &self->message;
    HnTop told = {0};
    HnLevel bid = {Py_NAN, 0.0}, ask = {Py_NAN, 0.0};
    unsigned char *row;
    if (!hn_json_book(envelope->data, message)) {
        return DECLINED;
    }
    told.seq_id = message->seq_id;
    if (message->bid_count > 0 && message->bids[0].size != 0.0) {
        told.bids[told.bid_count++] = bid = message->bids[0];
    }
    if (message->ask_count > 0 && message->asks[0].size != 0.0) {
        told.asks[told.ask_count++] = ask = message->asks[0];
    }
    if (route->calm != NULL && !may_compare(route, &told, route->calm->quotes_compared_id, 1)) {
        return DECLINED;
    }
    row = hn_lanes_claim(self->lanes, route->instrument, HN_BBO);
    if (row == NULL) {
        return FAILED;
    }
    store_i64(row, 16, message->seq_id);
    store_i64(row, 24, message->exchange_ts_ns);
    store_i64(row, 32, moment->received_ts_ns);
    memcpy(row + 40, &bid, sizeof bid);
    memcpy(row + 56, &ask, sizeof ask);
    memset(row + 72, 0, 52);
    hn_row_seal(row, hn_lanes_row_bytes(self->lanes, HN_BBO));
    self->row_count++;
    if (route->calm != NULL) {
        compare(route, &told, &route->calm->quotes_compared_id, route->quotes_waiting);
    }
    count_push(route, message->exchange_ts_ns, moment, true);
    return TAKEN;
}

static bool
is_update(HnText action)
{
    return action.length == 6 && memcmp(action.start, "update", 6) == 0;
}

static bool
is_snapshot(HnText action)
{
    return action.length == 0
           || (action.length == 8 && memcmp(action.start, "snapshot", 8) == 0);
}

/* books5 beside books: a second opinion, and no row. */
static int
take_tops(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    HnBookMessage *message = &self->message;
    HnTop told = {0};
    if (!(is_update(envelope->action) || is_snapshot(envelope->action))
        || !hn_json_book(envelope->data, message) || message->bid_count > HN_KEPT_LEVELS
        || message->ask_count > HN_KEPT_LEVELS) {
        return DECLINED;
    }
    told.seq_id = message->seq_id;
    told.bid_count = message->bid_count;
    told.ask_count = message->ask_count;
    memcpy(told.bids, message->bids, (size_t)message->bid_count * sizeof(HnLevel));
    memcpy(told.asks, message->asks, (size_t)message->ask_count * sizeof(HnLevel));
    if (!may_compare(route, &told, route->calm->tops_compared_id, HN_KEPT_LEVELS)) {
        return DECLINED;
    }
    compare(route, &told, &route->calm->tops_compared_id, route->tops_waiting);
    count_push(route, message->exchange_ts_ns, moment, true);
    return TAKEN;
}

/* The row of a book as it is now. */
static int
put_book(HnFastPath *self, HnRoute *route, int64_t received_ts_ns)
{
    HnLevel levels[2 * HN_BOOK_LEVELS];
    int bid_count, ask_count;
    const HnBookState *book = route->book;
    unsigned char *row = hn_lanes_claim(self->lanes, route->instrument, HN_BOOK);
    if (row == NULL) {
        return FAILED;
    }
    memset(levels, 0, sizeof levels);
    hn_book_top(book, HN_BOOK_LEVELS, levels, &bid_count, levels + HN_BOOK_LEVELS, &ask_count);
    store_i64(row, 16, book->seq_id);
    store_i64(row, 24, book->exchange_ts_ns);
    store_i64(row, 32, received_ts_ns);
    row[40] = 1;
    row[41] = 0;
    store_u16(row, 42, (uint16_t)bid_count);
    store_u16(row, 44, (uint16_t)ask_count);
    store_u16(row, 46, 0);
    memcpy(row + 48, levels, sizeof levels);
    memset(row + 48 + sizeof levels, 0, 12);
    hn_row_seal(row, hn_lanes_row_bytes(self->lanes, HN_BOOK));
    self->row_count++;
    route->shown->valid = 1;
    route->shown->seq_id = book->seq_id;
    route->shown->exchange_ts_ns = book->exchange_ts_ns;
    return TAKEN;
}

static bool
waiting_agree(const HnRoute *route, const HnTop *shown)
{
    const HnTop *quote = hn_kept_find(route->quotes_waiting, shown->seq_id);
    const HnTop *top = hn_kept_find(route->tops_waiting, shown->seq_id);
    return (quote == NULL || agrees(quote, shown, 1))
           && (top == NULL || agrees(top, shown, HN_KEPT_LEVELS));
}

/* CrossCheck.on_book once all that waited for this id is known to agree. */
static void
settle_waiting(HnRoute *route, const HnTop *shown)
{
    HnCalm *calm = route->calm;
    calm->last_id = shown->seq_id;
    hn_kept_keep(route->books, shown);
    if (hn_kept_drop(route->quotes_waiting, shown->seq_id)) {
        count_agreement(calm, &calm->quotes_compared_id, shown->seq_id);
    }
    if (hn_kept_drop(route->tops_waiting, shown->seq_id)) {
        count_agreement(calm, &calm->tops_compared_id, shown->seq_id);
    }
}

static void
top_of(const HnBookState *book, int64_t seq_id, HnTop *top)
{
    memset(top, 0, sizeof *top);
    top->seq_id = seq_id;
    hn_book_top(book, HN_KEPT_LEVELS, top->bids, &top->bid_count, top->asks, &top->ask_count);
}

/* Both sides as they were, to go back to. */
typedef struct {
    HnLevel bids[HN_BOOK_LEVELS_MAX];
    HnLevel asks[HN_BOOK_LEVELS_MAX];
    int bid_count, ask_count;
} Sides;

static void
save_sides(const HnBookState *book, Sides *sides)
{
    sides->bid_count = book->bid_count;
    sides->ask_count = book->ask_count;
    if (book->bid_count > 0) {
        memcpy(sides->bids, book->bids, (size_t)book->bid_count * sizeof(HnLevel));
    }
    if (book->ask_count > 0) {
        memcpy(sides->asks, book->asks, (size_t)book->ask_count * sizeof(HnLevel));
    }
}

/* A side's room never shrinks, so what was there fits again. */
static void
restore_sides(HnBookState *book, const Sides *sides)
{
    book->bid_count = sides->bid_count;
    book->ask_count = sides->ask_count;
    if (sides->bid_count > 0) {
        memcpy(book->bids, sides->bids, (size_t)sides->bid_count * sizeof(HnLevel));
    }
    if (sides->ask_count > 0) {
        memcpy(book->asks, sides->asks, (size_t)sides->ask_count * sizeof(HnLevel));
    }
}

/* The new levels of both sides; how many deletes met none, or -1 without memory. */
static int
merge_sides(HnBookState *book, const HnBookMessage *message)
{
    int bids = hn_book_merge(book, false, message->bids, message->bid_count);
    int asks = bids < 0 ? -1 : hn_book_merge(book, true, message->asks, message->ask_count);
    return asks < 0 ? -1 : bids + asks;
}

/* BookFeed.on_push of an update that follows on. Whether those that wait for its id agree is only
 * seen when it is merged: then, and only if any waits, the sides are saved first. */
static int
take_update(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    static Sides before; /* under the interpreter's lock, and never kept from one call to the next */
    HnBookMessage *message = &self->message;
    HnBookState *book = route->book;
    HnTop shown;
    bool awaited;
    int orphans;
    if (!is_update(envelope->action) || !hn_json_book(envelope->data, message)
        || book->seq_id < 0 || message->prev_seq_id != book->seq_id
        || message->seq_id <= message->prev_seq_id || message->seq_id < route->calm->last_id
        || book->bid_count + message->bid_count > HN_BOOK_LEVELS_MAX
        || book->ask_count + message->ask_count > HN_BOOK_LEVELS_MAX
        || hn_book_would_cross(book, message)) {
        return DECLINED;
    }
    awaited = hn_kept_find(route->quotes_waiting, message->seq_id) != NULL
              || hn_kept_find(route->tops_waiting, message->seq_id) != NULL;
    if (awaited) {
        save_sides(book, &before);
    }
    orphans = merge_sides(book, message);
    if (orphans < 0) {
        PyErr_NoMemory();
        return FAILED;
    }
    top_of(book, message->seq_id, &shown);
    if (awaited && !waiting_agree(route, &shown)) {
        restore_sides(book, &before);
        return DECLINED;
    }
    book->orphan_delete_count += orphans;
    book->update_count++;
    book->seq_id = message->seq_id;
    book->exchange_ts_ns = message->exchange_ts_ns;
    settle_waiting(route, &shown);
    if (put_book(self, route, moment->received_ts_ns) == FAILED) {
        return FAILED;
    }
    count_push(route, message->exchange_ts_ns, moment, true);
    return TAKEN;
}

/* Best first, no price twice, no empty level: then the levels as sent are the book's. */
static bool
is_in_order(const HnLevel *levels, int count, double sign)
{
    for (int index = 0; index < count; index++) {
        if (levels[index].size == 0.0
            || (index > 0 && sign * levels[index].price >= sign * levels[index - 1].price)) {
            return false;
        }
    }
    return true;
}

static void
forget_tops(HnKeptTops *kept)
{
    for (int index = 0; index < HN_KEPT; index++) {
        kept->tops[index].seq_id = HN_NO_SEQUENCE;
    }
    kept->next = 0;
}

/* books5 as the book: every push replaces it. */
static int
take_snapshot(HnFastPath *self, HnRoute *route, const HnEnvelope *envelope, const Moment *moment)
{
    HnBookMessage *message = &self->message;
    HnBookState *book = route->book;
    HnTop shown = {0};
    if (!is_snapshot(envelope->action) || !hn_json_book(envelope->data, message)
        || message->seq_id < 0 || message->seq_id < route->calm->last_id
        || message->bid_count > HN_KEPT_LEVELS || message->ask_count > HN_KEPT_LEVELS
        || !is_in_order(message->bids, message->bid_count, 1.0)
        || !is_in_order(message->asks, message->ask_count, -1.0)
        || (message->bid_count > 0 && message->ask_count > 0
            && message->bids[0].price >= message->asks[0].price)) {
        return DECLINED;
    }
    shown.seq_id = message->seq_id;
    shown.bid_count = message->bid_count;
    shown.ask_count = message->ask_count;
    memcpy(shown.bids, message->bids, (size_t)message->bid_count * sizeof(HnLevel));
    memcpy(shown.asks, message->asks, (size_t)message->ask_count * sizeof(HnLevel));
    if (!waiting_agree(route, &shown)) {
        return DECLINED;
    }
    book->bid_count = book->ask_count = 0;
    if (merge_sides(book, message) < 0) {
        PyErr_NoMemory();
        return FAILED;
    }
    book->snapshot_count++;
    book->seq_id = message->seq_id;
    book->exchange_ts_ns = message->exchange_ts_ns;
    forget_tops(route->books); /* a new snapshot: nothing is held against it */
    settle_waiting(route, &shown);
    if (put_book(self, route, moment->received_ts_ns) == FAILED) {
        return FAILED;
    }
    count_push(route, message->exchange_ts_ns, moment, true);
    return TAKEN;
}

/* ---- frame after frame ----------------------------------------------------------------------- */

typedef int (*Taker)(HnFastPath *, HnRoute *, const HnEnvelope *, const Moment *);

static const Taker TAKERS[ROUTE_KINDS] = {
    [ROUTE_TRADES] = take_trades,       [ROUTE_QUOTES] = take_quote,
    [ROUTE_TICKERS] = take_ticker,      [ROUTE_UPDATES] = take_update,
    [ROUTE_SNAPSHOTS] = take_snapshot,  [ROUTE_TOPS] = take_tops,
};

/* Frames longer than the connection accepts at first are rare enough for Python. */
#define FRAME_BYTES_MAX (4u << 20)

/* The armed route of the frame at `at`, or NULL: then `*is_plain` says whether it is a whole
 * plain frame at all. */
static HnRoute *
armed_route(const HnFastPath *self, const char *at, const char *end, HnEnvelope *envelope,
            HnText *payload, const char **next, bool *is_plain)
{
    HnRoute *route;
    *is_plain = hn_frame(at, end, FRAME_BYTES_MAX, payload, next) == HN_FRAME_PLAIN;
    if (!*is_plain || !hn_json_envelope(payload->start, payload->length, envelope)) {
        return NULL;
    }
    route = find_route(self, envelope);
    return route != NULL && route->armed ? route : NULL;
}

/* Take what is armed; the address of the first frame that was not taken, NULL with an exception
 * set. */
static const char *
take_armed(HnFastPath *self, const char *at, const char *end, const Moment *moment)
{
    HnEnvelope envelope;
    HnText payload;
    const char *next;
    bool is_plain;
    while (at < end) {
        int outcome;
        HnRoute *route = armed_route(self, at, end, &envelope, &payload, &next, &is_plain);
        if (route == NULL) {
            return at;
        }
        outcome = TAKERS[route->kind](self, route, &envelope, moment);
        if (outcome == FAILED) {
            return NULL;
        }
        if (outcome == DECLINED) {
            route->armed = 0;
            return at;
        }
        self->frame_count++;
        self->byte_count += (int64_t)payload.length;
        at = next;
    }
    return at;
}

/* How far plain frames go that nobody armed takes. */
static const char *
pass_others(const HnFastPath *self, const char *at, const char *end)
{
    HnEnvelope envelope;
    HnText payload;
    const char *next;
    bool is_plain;
    while (at < end && armed_route(self, at, end, &envelope, &payload, &next, &is_plain) == NULL
           && is_plain) {
        at = next;
    }
    return at;
}

static PyObject *
fastpath_run(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    HnFastPath *self = (HnFastPath *)object;
    Py_buffer buffer, lags;
    Moment moment;
    const char *taken, *others, *bytes;
    Py_ssize_t start, end;
    int64_t rows_before = self->row_count;
    PyObject *result = NULL;
    if (count != 6 || self->table == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "run(buffer, start, end, received_ts_ns, now_ns, lags)");
        return NULL;
    }
    start = PyLong_AsSsize_t(args[1]);
    end = PyLong_AsSsize_t(args[2]);
    moment.received_ts_ns = PyLong_AsLongLong(args[3]);
    moment.now_ns = PyLong_AsLongLong(args[4]);
    if (PyErr_Occurred() || PyObject_GetBuffer(args[0], &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[5], &lags, PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&buffer);
        return NULL;
    }
    if (start < 0 || end < start || end > buffer.len
        || lags.len < (Py_ssize_t)(HN_HISTOGRAM_COUNTERS * sizeof(uint64_t))
        || (uintptr_t)lags.buf % _Alignof(uint64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "start and end, or the counters, are not within");
        goto done;
    }
    moment.lags = lags.buf;
    bytes = buffer.buf;
    taken = take_armed(self, bytes + start, bytes + end, &moment);
    if (taken == NULL
        || (self->row_count != rows_before && hn_lanes_publish(self->lanes) < 0)) {
        goto done;
    }
    others = pass_others(self, taken, bytes + end);
    result = Py_BuildValue("nn", (Py_ssize_t)(taken - bytes), (Py_ssize_t)(others - bytes));
done:
    PyBuffer_Release(&lags);
    PyBuffer_Release(&buffer);
    return result;
}

static int
insert_route(HnFastPath *self, HnRoute *route)
{
    size_t place = route->hash & self->mask;
    while (self->table[place] != NULL) {
        if (is_named(self->table[place], route->hash,
                     (HnText){route->channel, route->channel_length},
                     (HnText){route->inst_id, route->inst_id_length})) {
            PyErr_SetString(PyExc_ValueError, "there is a route of that name");
            return -1;
        }
        place = (place + 1) & self->mask;
    }
    self->table[place] = route;
    return 0;
}

/* Twice the places; the routes stay who they are. */
static int
grow_table(HnFastPath *self)
{
    HnRoute **former = self->table;
    size_t former_size = self->mask + 1;
    HnRoute **table = PyMem_Calloc(2 * former_size, sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->table = table;
    self->mask = 2 * former_size - 1;
    for (size_t place = 0; place < former_size; place++) {
        if (former[place] != NULL) {
            (void)insert_route(self, former[place]); /* no two of one name were let in */
        }
    }
    PyMem_Free(former);
    return 0;
}

static PyObject *
fastpath_add(PyObject *object, PyObject *added)
{
    HnFastPath *self = (HnFastPath *)object;
    HnRoute *route = (HnRoute *)added;
    static const int kind_of[ROUTE_KINDS] = {HN_TRADE, HN_BBO, HN_TICKER, HN_BOOK, HN_BOOK, -1};
    if (!PyObject_TypeCheck(added, &HnRoute_Type) || self->table == NULL) {
        PyErr_SetString(PyExc_TypeError, "add(route)");
        return NULL;
    }
    int kind = kind_of[route->kind];
    if (kind >= 0 && !hn_lanes_has(self->lanes, route->instrument, (uint32_t)kind)) {
        PyErr_SetString(PyExc_ValueError, "the ring has no lane for this route");
        return NULL;
    }
    if (kind >= 0 && hn_lanes_row_bytes(self->lanes, (uint32_t)kind) != ROW_BYTES[kind]) {
        PyErr_SetString(PyExc_ValueError, "the ring's rows are of another layout");
        return NULL;
    }
    if (2 * (self->route_count + 1) > self->mask + 1 && grow_table(self) < 0) {
        return NULL;
    }
    if (insert_route(self, route) < 0) {
        return NULL;
    }
    Py_INCREF(added);
    self->route_count++;
    Py_RETURN_NONE;
}

static int
fastpath_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lanes", NULL};
    HnFastPath *self = (HnFastPath *)object;
    PyObject *lanes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, &HnLanes_Type, &lanes)) {
        return -1;
    }
    if (self->table != NULL) {
        PyErr_SetString(PyExc_TypeError, "it is made once");
        return -1;
    }
    self->table = PyMem_Calloc(TABLE_SIZE_MIN, sizeof *self->table);
    if (self->table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->mask = TABLE_SIZE_MIN - 1;
    self->lanes = (HnLanes *)Py_NewRef(lanes);
    return 0;
}

static void
fastpath_dealloc(PyObject *object)
{
    HnFastPath *self = (HnFastPath *)object;
    if (self->table != NULL) {
        for (size_t place = 0; place <= self->mask; place++) {
            Py_XDECREF(self->table[place]);
        }
        PyMem_Free(self->table);
    }
    Py_XDECREF((PyObject *)self->lanes);
    Py_TYPE(object)->tp_free(object);
}

static PyMemberDef fastpath_members[] = {
    {"frame_count", T_LONGLONG, offsetof(HnFastPath, frame_count), 0, "Frames taken."},
    {"byte_count", T_LONGLONG, offsetof(HnFastPath, byte_count), 0, "Bytes of their payloads."},
    {"row_count", T_LONGLONG, offsetof(HnFastPath, row_count), 0, "Rows put, and published."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef fastpath_methods[] = {
    {"add", fastpath_add, METH_O, "A route; it stays for ever."},
    {"run", (PyCFunction)(void (*)(void))fastpath_run, METH_FASTCALL,
     "run(buffer, start, end, received_ts_ns, now_ns, lags) -> (taken, others): frames up to `taken` "
     "are in the ring; those up to `others` are plain and go the long way."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HnFastPath_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.FastPath",
    .tp_doc = "Ordinary frames of one connection, straight into the ring.",
    .tp_basicsize = sizeof(HnFastPath),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = fastpath_init,
    .tp_dealloc = fastpath_dealloc,
    .tp_members = fastpath_members,
    .tp_methods = fastpath_methods,
};

/* ---- frames alone ---------------------------------------------------------------------------- */

/* hunter.stream.frames.split */
static PyObject *
kernel_split(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer buffer;
    Py_ssize_t start, end, length_max;
    const char *bytes, *at, *next;
    PyObject *result = NULL;
    HnText payload;
    (void)module;
    if (count != 5 || !PyList_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError, "split(buffer, start, end, length_max, payloads)");
        return NULL;
    }
    start = PyLong_AsSsize_t(args[1]);
    end = PyLong_AsSsize_t(args[2]);
    length_max = PyLong_AsSsize_t(args[3]);
    if (PyErr_Occurred() || PyObject_GetBuffer(args[0], &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (start < 0 || end < start || end > buffer.len || length_max < 0) {
        PyErr_SetString(PyExc_ValueError, "start and end are not within the buffer");
        goto done;
    }
    bytes = buffer.buf;
    at = bytes + start;
    while (at < bytes + end
           && hn_frame(at, bytes + end, (size_t)length_max, &payload, &next) == HN_FRAME_PLAIN) {
        PyObject *item = PyBytes_FromStringAndSize(payload.start, (Py_ssize_t)payload.length);
        if (item == NULL || PyList_Append(args[4], item) < 0) {
            Py_XDECREF(item);
            goto done;
        }
        Py_DECREF(item);
        at = next;
    }
    result = PyLong_FromSsize_t(at - bytes);
done:
    PyBuffer_Release(&buffer);
    return result;
}

static PyMethodDef split_methods[] = {
    {"split", (PyCFunction)(void (*)(void))kernel_split, METH_FASTCALL,
     "split(buffer, start, end, length_max, payloads) -> where the first frame begins that is "
     "not whole or not plain."},
    {NULL, NULL, 0, NULL},
};

int
hn_add_fastpath(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } kinds[] = {
        {"ROUTE_TRADES", ROUTE_TRADES},   {"ROUTE_QUOTES", ROUTE_QUOTES},
        {"ROUTE_TICKERS", ROUTE_TICKERS}, {"ROUTE_UPDATES", ROUTE_UPDATES},
        {"ROUTE_SNAPSHOTS", ROUTE_SNAPSHOTS}, {"ROUTE_TOPS", ROUTE_TOPS},
    };
    if (PyModule_AddType(module, &HnShown_Type) < 0 || PyModule_AddType(module, &HnRoute_Type) < 0
        || PyModule_AddType(module, &HnFastPath_Type) < 0
        || PyModule_AddFunctions(module, split_methods) < 0) {
        return -1;
    }
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++) {
        if (PyModule_AddIntConstant(module, kinds[index].name, kinds[index].value) < 0) {
            return -1;
        }
    }
    return 0;
}
