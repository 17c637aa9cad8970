/* The recent past of one instrument and its features: the twin of hunter.brain.window.window and of what it
 * stands on (decay, quote, moves, buckets, takers, recent, features).
 *
 * The same operations in the same order, so the same bytes: change both or none. Names are the
 * Python ones; why a thing is done is said there. Compiled without contraction of a * b + c. */
#include "kernel.h"
#include <math.h>
#include <stddef.h>
#include <structmember.h>

_Static_assert(sizeof(long long) == sizeof(int64_t), "members are read as long long");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "states are little-endian");

#define DEPTH_LEVELS 5
#define SIDE_NUMBERS (2 * DEPTH_LEVELS)
#define SECOND_NS 1000000000LL
#define BOOK_SOURCE 1
#define NO_SOURCE 3
#define END_OF_METHODS {NULL, NULL, 0, NULL}

/* ---- decay: sums, rates, means and moments that forget ---- */

typedef struct {
    double per_ns;
    int64_t ts_ns;
    double value;
} Sum;

typedef struct {
    int64_t start_ns;
    double scale;
    Sum sum;
} Rate;

typedef struct {
    double per_ns;
    int64_t ts_ns;
    double mean;
    double level;
} Mean;

typedef struct {
    double per_ns;
    int64_t ts_ns;
    double level;
    double mean;
    double variance;
    double weight;
} Moments;

/* a - b, held at the ends of the range: no stamp, however absurd, is undefined behaviour. */
static int64_t
since(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return b < 0 ? INT64_MAX : -INT64_MAX;
    }
    return difference == INT64_MIN ? -INT64_MAX : difference;
}

static double
per_ns(int half_life_ms)
{
    return 1.0 / (double)((int64_t)half_life_ms * 1000000);
}

static void
sum_add(Sum *sum, int64_t ts_ns, double amount)
{
    int64_t age_ns = since(sum->ts_ns, ts_ns);
    if (age_ns < 0) {
        sum->value = sum->value * exp2((double)age_ns * sum->per_ns) + amount;
        sum->ts_ns = ts_ns;
    }
    else if (age_ns > 0) {
        sum->value += amount * exp2((double)-age_ns * sum->per_ns);
    }
    else {
        sum->value += amount;
    }
}

static double
sum_read(const Sum *sum, int64_t now_ns)
{
    int64_t age_ns = since(now_ns, sum->ts_ns);
    return age_ns > 0 ? sum->value * exp2((double)-age_ns * sum->per_ns) : sum->value;
}

static void
rate_init(Rate *rate, int half_life_ms)
{
    rate->sum.per_ns = per_ns(half_life_ms);
    rate->scale = log(2.0) * rate->sum.per_ns * 1e9;
}

static void
rate_start(Rate *rate, int64_t ts_ns)
{
    if (rate->start_ns == 0) {
        rate->start_ns = ts_ns;
    }
}

static double
rate_read(const Rate *rate, int64_t now_ns)
{
    if (rate->start_ns == 0 || now_ns <= rate->start_ns) {
        return 0.0;
    }
    double seen = 1.0 - exp2((double)since(rate->start_ns, now_ns) * rate->sum.per_ns);
    return sum_read(&rate->sum, now_ns) * rate->scale / seen;
}

static void
mean_update(Mean *mean, int64_t ts_ns, double level)
{
    if (mean->ts_ns == 0) {
        mean->mean = level;
        mean->ts_ns = ts_ns;
    }
    else if (ts_ns > mean->ts_ns) {
        double kept = exp2((double)since(mean->ts_ns, ts_ns) * mean->per_ns);
        mean->mean += (mean->level - mean->mean) * (1.0 - kept);
        mean->ts_ns = ts_ns;
    }
    mean->level = level;
}

static double
mean_read(const Mean *mean, int64_t now_ns)
{
    int64_t age_ns = since(now_ns, mean->ts_ns);
    if (age_ns <= 0) {
        return mean->mean;
    }
    double kept = exp2((double)-age_ns * mean->per_ns);
    return mean->mean + (mean->level - mean->mean) * (1.0 - kept);
}

/* `moments` as they are at `now_ns`. */
static Moments
moments_as_of(const Moments *moments, int64_t now_ns)
{
    Moments then = *moments;
    int64_t age_ns = since(now_ns, moments->ts_ns);
    if (age_ns <= 0) {
        return then;
    }
    double kept = exp2((double)-age_ns * moments->per_ns);
    double weight = moments->weight * kept;
    then.ts_ns = now_ns;
    then.weight = weight;
    if (isnan(moments->level)) {
        return then;
    }
    double fresh = 1.0 - kept;
    double total = weight + fresh;
    double share = fresh / total;
    double off = moments->level - moments->mean;
    then.variance = (moments->variance + off * off * share) * (weight / total);
    then.mean = moments->mean + off * share;
    then.weight = total;
    return then;
}

/* ---- quote.BestQuote ---- */

typedef struct {
    PyObject_HEAD
    int64_t stale_ns;
    int64_t source;
    int64_t stamp_ns;
    double bid;
    double bid_size;
    double ask;
    double ask_size;
    double mid;
    char usable;
    char crossed;
} BestQuote;

static void
quote_update(BestQuote *quote, int64_t stamp_ns, int64_t source, const double *touch)
{
    quote->source = source;
    quote->stamp_ns = stamp_ns;
    quote->bid = touch[0];
    quote->bid_size = touch[1];
    quote->ask = touch[2];
    quote->ask_size = touch[3];
    bool both = 0.0 < quote->bid_size && quote->bid_size < INFINITY && 0.0 < quote->ask_size
                && quote->ask_size < INFINITY;
    quote->mid = (quote->bid + quote->ask) / 2.0;
    quote->usable = both && quote->bid < quote->ask && -INFINITY < quote->mid
                    && quote->mid < INFINITY;
    quote->crossed = both && quote->bid >= quote->ask;
}

static bool
quote_outranks(const BestQuote *quote, int64_t source, int64_t now_ns)
{
    return quote->source < source && since(now_ns, quote->stamp_ns) <= quote->stale_ns;
}

static bool
quote_is_stale(const BestQuote *quote, int64_t now_ns)
{
    return since(now_ns, quote->stamp_ns) > quote->stale_ns;
}

static bool
quote_is_fresh(const BestQuote *quote, int64_t now_ns)
{
    return quote->usable && !quote_is_stale(quote, now_ns);
}

static PyObject *
best_quote_outranks(PyObject *self, PyObject *args)
{
    long long source, now_ns;
    if (!PyArg_ParseTuple(args, "LL:outranks", &source, &now_ns)) {
        return NULL;
    }
    return PyBool_FromLong(quote_outranks((BestQuote *)self, source, now_ns));
}

static PyObject *
best_quote_is_stale(PyObject *self, PyObject *now)
{
    long long now_ns = PyLong_AsLongLong(now);
    if (now_ns == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(quote_is_stale((BestQuote *)self, now_ns));
}

static void
plain_dealloc(PyObject *self)
{
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef best_quote_methods[] = {
    {"outranks", best_quote_outranks, METH_VARARGS, NULL},
    {"is_stale", best_quote_is_stale, METH_O, NULL},
    END_OF_METHODS,
};

#define FIELD(kind, name) {#name, kind, offsetof(BestQuote, name), READONLY, NULL}
static PyMemberDef best_quote_members[] = {
    FIELD(T_LONGLONG, stale_ns), FIELD(T_LONGLONG, source), FIELD(T_LONGLONG, stamp_ns),
    FIELD(T_DOUBLE, bid),        FIELD(T_DOUBLE, bid_size), FIELD(T_DOUBLE, ask),
    FIELD(T_DOUBLE, ask_size),   FIELD(T_DOUBLE, mid),      FIELD(T_BOOL, usable),
    FIELD(T_BOOL, crossed),      {NULL, 0, 0, 0, NULL},
};

static PyTypeObject BestQuote_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.BestQuote",
    .tp_doc = "The best bid and offer of a window, which alone makes and writes it.",
    .tp_basicsize = sizeof(BestQuote),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = plain_dealloc,
    .tp_methods = best_quote_methods,
    .tp_members = best_quote_members,
};

/* ---- moves.MidMoves ---- */

typedef struct {
    double mid;
    double last_move;
    int64_t moved_ns;
    int64_t second_due_ns;
    double second_mid;
    double second_move;
    Rate variance_5s;
    Rate variance_60s;
    Sum moves_4s;
    Sum realised;
    Sum bipower;
} Moves;

static void
moves_init(Moves *moves)
{
    moves->mid = moves->second_mid = moves->second_move = NAN;
    rate_init(&moves->variance_5s, 5000);
    rate_init(&moves->variance_60s, 60000);
    moves->moves_4s.per_ns = per_ns(4000);
    moves->realised.per_ns = moves->bipower.per_ns = per_ns(60000);
}

static int64_t
second_after(int64_t now_ns)
{
    if (now_ns > INT64_MAX - 2 * SECOND_NS) {
        return INT64_MAX;
    }
    int64_t second = now_ns / SECOND_NS - (now_ns % SECOND_NS < 0); /* Python's // */
    return (second + 1) * SECOND_NS;
}

static void
moves_begin(Moves *moves, int64_t now_ns, double mid)
{
    rate_start(&moves->variance_5s, now_ns);
    rate_start(&moves->variance_60s, now_ns);
    moves->moves_4s.value = 0.0;
    moves->second_due_ns = second_after(now_ns);
    moves->second_mid = moves->second_move = NAN;
    moves->mid = mid;
}

static void
moves_pass_seconds(Moves *moves, int64_t now_ns)
{
    int64_t due_ns = moves->second_due_ns;
    double before = moves->second_move;
    double move = fabs(moves->mid - moves->second_mid);
    if (!isnan(before)) {
        sum_add(&moves->realised, due_ns, move * move);
        sum_add(&moves->bipower, due_ns, M_PI / 2.0 * move * before);
    }
    int64_t later = since(now_ns, due_ns) / SECOND_NS;
    moves->second_mid = moves->mid;
    moves->second_move = later != 0 ? 0.0 : move;
    moves->second_due_ns = second_after(now_ns);
}

static void
moves_follow(Moves *moves, int64_t now_ns, double mid)
{
    if (now_ns >= moves->second_due_ns) {
        moves_pass_seconds(moves, now_ns);
    }
    double move = mid - moves->mid;
    if (move != 0.0) {
        moves->last_move = move > 0.0 ? 1.0 : -1.0;
        moves->moved_ns = now_ns;
        double squared = move * move;
        sum_add(&moves->variance_5s.sum, now_ns, squared);
        sum_add(&moves->variance_60s.sum, now_ns, squared);
        sum_add(&moves->moves_4s, now_ns, move);
    }
    moves->mid = mid;
}

static double
moves_jump_share(const Moves *moves, int64_t now_ns)
{
    double realised = sum_read(&moves->realised, now_ns);
    if (!(realised > 0.0)) {
        return NAN;
    }
    double share = 1.0 - sum_read(&moves->bipower, now_ns) / realised;
    return share > 0.0 ? share : 0.0;
}

/* ---- buckets.VolumeBuckets ---- */

#define BUCKETS 50
#define BUCKETS_LEAST 10
#define BUCKET_S 5.0
#define WARM_NS 10000000000LL
#define FULL_MAX (1LL << 60) /* more buckets than will ever be */

typedef struct {
    Rate rate;
    double bucket;
    double filled;
    double signed_volume;
    int64_t next;
    int64_t full;
    double imbalances[BUCKETS];
    double volumes[BUCKETS];
    double imbalance;
    double volume;
} Buckets;

static void
buckets_sum(Buckets *buckets)
{
    double imbalance = 0.0, volume = 0.0;
    for (int i = 0; i < BUCKETS; i++) {
        imbalance += buckets->imbalances[i];
        volume += buckets->volumes[i];
    }
    buckets->imbalance = imbalance;
    buckets->volume = volume;
}

static void
buckets_close(Buckets *buckets, double signed_volume)
{
    buckets->imbalances[buckets->next] = fabs(signed_volume);
    buckets->volumes[buckets->next] = buckets->bucket;
    buckets->next = (buckets->next + 1) % BUCKETS;
    buckets->full += 1;
    buckets->bucket = buckets->filled = buckets->signed_volume = 0.0;
}

static void
buckets_add(Buckets *buckets, int64_t ts_ns, double size, bool bought)
{
    Rate *rate = &buckets->rate;
    rate_start(rate, ts_ns);
    sum_add(&rate->sum, ts_ns, size);
    int64_t closed = buckets->full;
    for (int i = 0; i < BUCKETS + 1; i++) {
        if (!(buckets->bucket > 0.0)) {
            bool seen = since(ts_ns, rate->start_ns) >= WARM_NS;
            buckets->bucket = seen ? rate_read(rate, ts_ns) * BUCKET_S : 0.0;
            if (!(buckets->bucket > 0.0)) {
                break;
            }
        }
        double room = buckets->bucket - buckets->filled;
        if (size < room) {
            buckets->filled += size;
            buckets->signed_volume += bought ? size : -size;
            break;
        }
        buckets_close(buckets, buckets->signed_volume + (bought ? room : -room));
        size -= room;
    }
    if (buckets->full != closed) {
        buckets_sum(buckets);
    }
}

/* ---- takers.TakerFlow ---- */

typedef struct {
    Sum signed_volume[3]; /* 1, 4, 16 s */
    Sum volume[3];
    Sum buys;
    Sum sells;
    Rate trades_5s;
    Rate trades_60s;
    Buckets buckets;
} Takers;

static void
takers_init(Takers *takers)
{
    const int half_lives_ms[3] = {1000, 4000, 16000};
    for (int i = 0; i < 3; i++) {
        takers->signed_volume[i].per_ns = takers->volume[i].per_ns = per_ns(half_lives_ms[i]);
    }
    takers->buys.per_ns = takers->sells.per_ns = per_ns(500);
    rate_init(&takers->trades_5s, 5000);
    rate_init(&takers->trades_60s, 60000);
    rate_init(&takers->buckets.rate, 60000);
}

static void
takers_add(Takers *takers, int64_t ts_ns, double size, bool bought, double count)
{
    for (int i = 0; i < 3; i++) {
        sum_add(&takers->signed_volume[i], ts_ns, bought ? size : -size);
        sum_add(&takers->volume[i], ts_ns, size);
    }
    rate_start(&takers->trades_5s, ts_ns);
    rate_start(&takers->trades_60s, ts_ns);
    sum_add(&takers->trades_5s.sum, ts_ns, count);
    sum_add(&takers->trades_60s.sum, ts_ns, count);
    sum_add(bought ? &takers->buys : &takers->sells, ts_ns, 1.0);
    buckets_add(&takers->buckets, ts_ns, size, bought);
}

static void
takers_forget(Takers *takers)
{
    for (int i = 0; i < 3; i++) {
        takers->signed_volume[i].value = takers->volume[i].value = 0.0;
    }
    takers->buys.value = takers->sells.value = 0.0;
}

/* ---- recent.RecentFlow ---- */

#define OFI_COUNT 4
enum { OFI_250MS, OFI_1S, OFI_4S, OFI_16S };

typedef struct {
    PyObject_HEAD
    BestQuote *quote;
    Moves moves;
    Takers takers;
    Sum ofi[OFI_COUNT];
    Sum depth_flow_1s;
    Rate quotes;
    Mean depth;
    Mean spread;
    Mean book_depth;
    Moments basis;
    int64_t book_stamp_ns;
    int64_t book_follows;
    int64_t bid_count; /* levels */
    int64_t ask_count;
    double bids[SIDE_NUMBERS]; /* 0 beyond the levels */
    double asks[SIDE_NUMBERS];
} FlowWindow;

static double
flow_of_bid(const double *level, const double *old)
{
    double came = level[0] >= old[0] ? level[1] : 0.0;
    return came - (level[0] <= old[0] ? old[1] : 0.0);
}

static double
flow_of_ask(const double *level, const double *old)
{
    double came = level[0] <= old[0] ? level[1] : 0.0;
    return came - (level[0] >= old[0] ? old[1] : 0.0);
}

static double
volume_of(const double *levels, int64_t count)
{
    double volume = 0.0;
    for (int64_t i = 0; i < count; i++) {
        volume += levels[2 * i + 1];
    }
    return volume;
}

static void
window_init(FlowWindow *window)
{
    const int half_lives_ms[OFI_COUNT] = {250, 1000, 4000, 16000};
    for (int i = 0; i < OFI_COUNT; i++) {
        window->ofi[i].per_ns = per_ns(half_lives_ms[i]);
    }
    window->depth_flow_1s.per_ns = per_ns(1000);
    moves_init(&window->moves);
    takers_init(&window->takers);
    rate_init(&window->quotes, 5000);
    window->depth.per_ns = window->spread.per_ns = window->book_depth.per_ns = per_ns(60000);
    window->basis.per_ns = per_ns(60000);
    window->basis.level = NAN;
}

static void
window_quote(FlowWindow *window, int64_t stamp_ns, int64_t now_ns, int64_t source,
             const double *touch)
{
    BestQuote *quote = window->quote;
    Moves *moves = &window->moves;
    if (quote_outranks(quote, source, now_ns)) {
        return;
    }
    bool follows = !isnan(moves->mid) && quote->source == source;
    const double old[4] = {quote->bid, quote->bid_size, quote->ask, quote->ask_size};
    quote_update(quote, stamp_ns, source, touch);
    if (!quote->usable) {
        moves->mid = NAN;
        return;
    }
    rate_start(&window->quotes, now_ns);
    sum_add(&window->quotes.sum, now_ns, 1.0);
    mean_update(&window->depth, now_ns, (touch[1] + touch[3]) / 2.0);
    mean_update(&window->spread, now_ns, touch[2] - touch[0]);
    if (!follows) {
        moves_begin(moves, now_ns, quote->mid);
        return;
    }
    moves_follow(moves, now_ns, quote->mid);
    double flow = flow_of_bid(touch, old) - flow_of_ask(touch + 2, old + 2);
    if (flow != 0.0) {
        for (int i = 0; i < OFI_COUNT; i++) {
            sum_add(&window->ofi[i], now_ns, flow);
        }
    }
}

static void
window_levels(FlowWindow *window, int64_t now_ns, const double *bids, int64_t bid_count,
              const double *asks, int64_t ask_count)
{
    double size = volume_of(bids, bid_count) + volume_of(asks, ask_count);
    if (!(size < INFINITY)) {
        return;
    }
    mean_update(&window->book_depth, now_ns, size / (double)(bid_count + ask_count));
    int64_t end = bid_count < ask_count ? bid_count : ask_count;
    end = end < window->bid_count ? end : window->bid_count;
    end = end < window->ask_count ? end : window->ask_count;
    if (!window->book_follows || end == 0) {
        return;
    }
    double flow = 0.0;
    for (int64_t i = 0; i < 2 * end; i += 2) {
        double bought = flow_of_bid(bids + i, window->bids + i);
        flow += bought - flow_of_ask(asks + i, window->asks + i);
    }
    if (flow != 0.0) {
        sum_add(&window->depth_flow_1s, now_ns, flow / (double)end);
    }
}

static void
window_gap(FlowWindow *window)
{
    window->moves.mid = NAN;
    window->moves.last_move = 0.0;
    takers_forget(&window->takers);
    for (int i = 0; i < OFI_COUNT; i++) {
        window->ofi[i].value = 0.0;
    }
    window->depth_flow_1s.value = 0.0;
    window->book_follows = 0;
}

/* ---- features: every function of hunter.brain.window.features, in the order of FEATURES ---- */

#define DEPTH_FLOOR 0.02
#define UNITS_MAX 4.0
#define UNIT_LEAST 1e-3
#define LOG_RATIO_MAX 2.0
#define AGE_LEAST_S 1e-3
#define BASIS_POINTS 1e4
#define FEATURE_COUNT 30

typedef struct {
    const FlowWindow *window;
    const BestQuote *quote;
    int64_t now_ns;
    bool fresh;
    bool deep;
    double bid_volume;
    double ask_volume;
    double depth;
} View;

static View
view_of(const FlowWindow *window, int64_t now_ns)
{
    View view = {.window = window, .quote = window->quote, .now_ns = now_ns};
    view.fresh = quote_is_fresh(window->quote, now_ns);
    if (since(now_ns, window->book_stamp_ns) <= window->quote->stale_ns) {
        view.bid_volume = volume_of(window->bids, window->bid_count);
        view.ask_volume = volume_of(window->asks, window->ask_count);
    }
    view.deep = view.bid_volume > 0.0 && view.ask_volume > 0.0;
    view.depth = mean_read(&window->depth, now_ns);
    return view;
}

static double
clipped(double value, double limit)
{
    if (value > limit) {
        return limit;
    }
    return value < -limit ? -limit : value;
}

static double
over(double value, double positive)
{
    return positive > 0.0 ? value / positive : NAN;
}

static double
imbalance(double one, double other)
{
    return over(one - other, one + other);
}

static double
queue_imbalance(const View *view)
{
    return view->fresh ? imbalance(view->quote->bid_size, view->quote->ask_size) : NAN;
}

static double
queue_imbalance_per_spread(const View *view)
{
    if (!view->fresh) {
        return NAN;
    }
    double spread = view->quote->ask - view->quote->bid;
    double relative = mean_read(&view->window->spread, view->now_ns) / spread;
    return imbalance(view->quote->bid_size, view->quote->ask_size) * relative;
}

static double
vamp_deviation_5(const View *view)
{
    const FlowWindow *window = view->window;
    const double *bids = window->bids, *asks = window->asks;
    if (!view->deep || !(asks[0] - bids[0] > 0.0)) {
        return NAN;
    }
    double spread = asks[0] - bids[0];
    double mid = (bids[0] + asks[0]) / 2.0;
    double pulled = 0.0, volume = 0.0;
    int64_t end = window->bid_count < window->ask_count ? window->bid_count : window->ask_count;
    for (int64_t i = 0; i < 2 * end; i += 2) {
        pulled += (asks[i] - mid) * bids[i + 1] - (mid - bids[i]) * asks[i + 1];
        volume += bids[i + 1] + asks[i + 1];
    }
    return over(pulled, volume * spread);
}

static double
micro_price_deviation(const View *view)
{
    const FlowWindow *window = view->window;
    const double *bids = window->bids, *asks = window->asks;
    if (!view->deep || !(asks[0] - bids[0] > 0.0)) {
        return NAN;
    }
    double spread = asks[0] - bids[0];
    double mid = (bids[0] + asks[0]) / 2.0;
    double below = 0.0, above = 0.0;
    for (int64_t i = 0; i < 2 * window->bid_count; i += 2) {
        below += (mid - bids[i]) * bids[i + 1];
    }
    for (int64_t i = 0; i < 2 * window->ask_count; i += 2) {
        above += (asks[i] - mid) * asks[i + 1];
    }
    double bid_volume = view->bid_volume, ask_volume = view->ask_volume;
    double pulled = bid_volume * (above / ask_volume) - ask_volume * (below / bid_volume);
    return over(pulled, (bid_volume + ask_volume) * spread);
}

static double
ofi(const View *view, int which, double scale)
{
    return over(sum_read(&view->window->ofi[which], view->now_ns), view->depth * scale);
}

static double
depth_flow_1s(const View *view)
{
    double depth = mean_read(&view->window->book_depth, view->now_ns);
    return over(sum_read(&view->window->depth_flow_1s, view->now_ns), depth * 2.0);
}

static double
trade_flow(const View *view, int which)
{
    const Takers *takers = &view->window->takers;
    double volume = sum_read(&takers->volume[which], view->now_ns) + DEPTH_FLOOR * view->depth;
    return over(sum_read(&takers->signed_volume[which], view->now_ns), volume);
}

static double
hawkes_imbalance(const View *view)
{
    const Takers *takers = &view->window->takers;
    if (takers->trades_5s.start_ns == 0) {
        return NAN;
    }
    double buys = sum_read(&takers->buys, view->now_ns);
    double sells = sum_read(&takers->sells, view->now_ns);
    return (buys - sells) / (buys + sells + 1.0);
}

static double
in_units(double difference, double unit, double spread)
{
    return unit > UNIT_LEAST * spread ? clipped(difference / unit, UNITS_MAX) : NAN;
}

static double
return_4s(const View *view)
{
    if (!view->fresh) {
        return NAN;
    }
    const BestQuote *quote = view->quote;
    const Moves *moves = &view->window->moves;
    double unit = sqrt(rate_read(&moves->variance_60s, view->now_ns) * 4.0);
    double off = sum_read(&moves->moves_4s, view->now_ns);
    return in_units(off, unit, quote->ask - quote->bid);
}

/* `other` is NULL without a mate that has a fresh quote. */
static double
basis_deviation(const View *view, const View *other)
{
    if (other == NULL || !view->fresh) {
        return NAN;
    }
    Moments basis = moments_as_of(&view->window->basis, view->now_ns);
    if (!(basis.variance > 0.0)) {
        return NAN;
    }
    const BestQuote *quote = view->quote;
    double off = (other->quote->mid - quote->mid) - basis.mean;
    return in_units(off, sqrt(basis.variance), quote->ask - quote->bid);
}

static double
in_basis_points(const View *view, double price_difference)
{
    return view->fresh ? over(price_difference, view->quote->mid) * BASIS_POINTS : NAN;
}

static double
log_ratio(const Rate *fast, const Rate *slow, int64_t now_ns)
{
    double above = rate_read(fast, now_ns);
    double ratio = over(above, rate_read(slow, now_ns));
    return ratio > 0.0 ? log(ratio) : NAN;
}

static double
volatility_ratio_log(const View *view)
{
    const Moves *moves = &view->window->moves;
    double ratio = log_ratio(&moves->variance_5s, &moves->variance_60s, view->now_ns);
    return clipped(ratio * 0.5, LOG_RATIO_MAX);
}

static double
move_age_log(const View *view)
{
    const Moves *moves = &view->window->moves;
    if (moves->last_move == 0.0) {
        return NAN;
    }
    double age_s = (double)since(view->now_ns, moves->moved_ns) / 1e9;
    return log(age_s > AGE_LEAST_S ? age_s : AGE_LEAST_S);
}

static void
read_odd(const View *view, const View *other, double *out)
{
    *out++ = queue_imbalance(view);
    *out++ = queue_imbalance_per_spread(view);
    *out++ = view->deep ? imbalance(view->bid_volume, view->ask_volume) : NAN;
    *out++ = ofi(view, OFI_250MS, 1.0);
    *out++ = ofi(view, OFI_1S, 2.0);
    *out++ = ofi(view, OFI_1S, 2.0) * volatility_ratio_log(view);
    *out++ = trade_flow(view, 0);
    *out++ = trade_flow(view, 2);
    *out++ = return_4s(view);
    *out++ = view->window->moves.last_move != 0.0 ? view->window->moves.last_move : NAN;
    *out++ = vamp_deviation_5(view);
    *out++ = other != NULL ? queue_imbalance(other) : NAN;
    *out++ = other != NULL ? ofi(other, OFI_250MS, 1.0) : NAN;
    *out++ = basis_deviation(view, other);
    *out++ = ofi(view, OFI_4S, 4.0);
    *out++ = ofi(view, OFI_16S, 8.0);
    *out++ = trade_flow(view, 1);
    *out++ = depth_flow_1s(view);
    *out++ = hawkes_imbalance(view);
    *out++ = micro_price_deviation(view);
}

static void
read_even(const View *view, double *out)
{
    const Moves *moves = &view->window->moves;
    const Takers *takers = &view->window->takers;
    const Buckets *buckets = &takers->buckets;
    int64_t now_ns = view->now_ns;
    double trade_ratio = log_ratio(&takers->trades_5s, &takers->trades_60s, now_ns);
    *out++ = in_basis_points(view, view->quote->ask - view->quote->bid);
    *out++ = in_basis_points(view, sqrt(rate_read(&moves->variance_5s, now_ns)));
    *out++ = in_basis_points(view, sqrt(rate_read(&moves->variance_60s, now_ns)));
    *out++ = volatility_ratio_log(view);
    *out++ = rate_read(&takers->trades_5s, now_ns);
    *out++ = clipped(trade_ratio, LOG_RATIO_MAX);
    *out++ = rate_read(&view->window->quotes, now_ns);
    *out++ = move_age_log(view);
    *out++ = moves_jump_share(moves, now_ns);
    *out++ = buckets->full >= BUCKETS_LEAST ? buckets->imbalance / buckets->volume : NAN;
}

/* ---- state: one visit stores or loads every number, in the order of RecentFlow.state ---- */

typedef struct {
    unsigned char *at; /* NULL: count only */
    Py_ssize_t size;
    bool load;
} Visit;

static void
visit_word(Visit *visit, void *word)
{
    if (visit->at != NULL && visit->load) {
        memcpy(word, visit->at + visit->size, 8);
    }
    else if (visit->at != NULL) {
        memcpy(visit->at + visit->size, word, 8);
    }
    visit->size += 8;
}

static void
visit_words(Visit *visit, double *words, int count)
{
    for (int i = 0; i < count; i++) {
        visit_word(visit, words + i);
    }
}

static void
visit_sum(Visit *visit, Sum *sum)
{
    visit_word(visit, &sum->ts_ns);
    visit_word(visit, &sum->value);
}

static void
visit_rate(Visit *visit, Rate *rate)
{
    visit_word(visit, &rate->start_ns);
    visit_sum(visit, &rate->sum);
}

static void
visit_mean(Visit *visit, Mean *mean)
{
    visit_word(visit, &mean->ts_ns);
    visit_word(visit, &mean->mean);
    visit_word(visit, &mean->level);
}

static void
visit_quote(Visit *visit, BestQuote *quote)
{
    visit_word(visit, &quote->source);
    visit_word(visit, &quote->stamp_ns);
    visit_word(visit, &quote->bid);
    visit_word(visit, &quote->bid_size);
    visit_word(visit, &quote->ask);
    visit_word(visit, &quote->ask_size);
}

static void
visit_moves(Visit *visit, Moves *moves)
{
    visit_word(visit, &moves->mid);
    visit_word(visit, &moves->last_move);
    visit_word(visit, &moves->moved_ns);
    visit_word(visit, &moves->second_due_ns);
    visit_word(visit, &moves->second_mid);
    visit_word(visit, &moves->second_move);
    visit_rate(visit, &moves->variance_5s);
    visit_rate(visit, &moves->variance_60s);
    visit_sum(visit, &moves->moves_4s);
    visit_sum(visit, &moves->realised);
    visit_sum(visit, &moves->bipower);
}

static void
visit_takers(Visit *visit, Takers *takers)
{
    for (int i = 0; i < 3; i++) {
        visit_sum(visit, &takers->signed_volume[i]);
    }
    for (int i = 0; i < 3; i++) {
        visit_sum(visit, &takers->volume[i]);
    }
    visit_sum(visit, &takers->buys);
    visit_sum(visit, &takers->sells);
    visit_rate(visit, &takers->trades_5s);
    visit_rate(visit, &takers->trades_60s);
    Buckets *buckets = &takers->buckets;
    visit_rate(visit, &buckets->rate);
    visit_word(visit, &buckets->bucket);
    visit_word(visit, &buckets->filled);
    visit_word(visit, &buckets->signed_volume);
    visit_word(visit, &buckets->next);
    visit_word(visit, &buckets->full);
    visit_words(visit, buckets->imbalances, BUCKETS);
    visit_words(visit, buckets->volumes, BUCKETS);
}

static void
visit_window(Visit *visit, FlowWindow *window)
{
    visit_word(visit, &window->book_stamp_ns);
    visit_word(visit, &window->book_follows);
    visit_word(visit, &window->bid_count);
    visit_word(visit, &window->ask_count);
    visit_words(visit, window->bids, SIDE_NUMBERS);
    visit_words(visit, window->asks, SIDE_NUMBERS);
    visit_quote(visit, window->quote);
    visit_moves(visit, &window->moves);
    visit_takers(visit, &window->takers);
    for (int i = 0; i < OFI_COUNT; i++) {
        visit_sum(visit, &window->ofi[i]);
    }
    visit_sum(visit, &window->depth_flow_1s);
    visit_rate(visit, &window->quotes);
    visit_mean(visit, &window->depth);
    visit_mean(visit, &window->spread);
    visit_mean(visit, &window->book_depth);
    visit_word(visit, &window->basis.ts_ns);
    visit_word(visit, &window->basis.level);
    visit_word(visit, &window->basis.mean);
    visit_word(visit, &window->basis.variance);
    visit_word(visit, &window->basis.weight);
}

/* ---- the type ---- */

static PyTypeObject FlowWindow_Type;

static bool
has_count(const char *name, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given != wanted) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments, not %zd", name, wanted, given);
        return false;
    }
    return true;
}

static bool
integers_from(PyObject *const *args, int count, int64_t *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = PyLong_AsLongLong(args[i]);
        if (out[i] == -1 && PyErr_Occurred()) {
            return false;
        }
    }
    return true;
}

static bool
numbers_from(PyObject *const *args, int count, double *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = PyFloat_AsDouble(args[i]);
        if (out[i] == -1.0 && PyErr_Occurred()) {
            return false;
        }
    }
    return true;
}

static PyObject *
flow_window_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stale_ms", NULL};
    long long stale_ms;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L:FlowWindow", names, &stale_ms)) {
        return NULL;
    }
    if (stale_ms < 0 || stale_ms > INT64_MAX / 1000000) {
        PyErr_SetString(PyExc_ValueError, "stale_ms: no such time");
        return NULL;
    }
    FlowWindow *self = (FlowWindow *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->quote = PyObject_New(BestQuote, &BestQuote_Type);
    if (self->quote == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    const double nowhere[4] = {NAN, 0.0, NAN, 0.0};
    self->quote->stale_ns = stale_ms * 1000000;
    quote_update(self->quote, 0, NO_SOURCE, nowhere);
    window_init(self);
    return (PyObject *)self;
}

static void
flow_window_dealloc(PyObject *self)
{
    Py_XDECREF(((FlowWindow *)self)->quote);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
flow_window_on_trade(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    int64_t stamp_ns, side_and_matches[2];
    double price_and_size[2];
    if (!has_count("on_trade", count, 5) || !integers_from(args, 1, &stamp_ns)
        || !numbers_from(args + 1, 2, price_and_size)
        || !integers_from(args + 3, 2, side_and_matches)) {
        return NULL;
    }
    double size = price_and_size[1];
    if (!isnan(price_and_size[0]) && 0.0 < size && size < INFINITY) {
        takers_add(&((FlowWindow *)self)->takers, stamp_ns, size, side_and_matches[0] > 0,
                   (double)side_and_matches[1]);
    }
    Py_RETURN_NONE;
}

static PyObject *
flow_window_on_quote(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    int64_t head[3];
    double touch[4];
    if (!has_count("on_quote", count, 7) || !integers_from(args, 3, head)
        || !numbers_from(args + 3, 4, touch)) {
        return NULL;
    }
    window_quote((FlowWindow *)self, head[0], head[1], head[2], touch);
    Py_RETURN_NONE;
}

/* The first levels of a flat tuple, 0 beyond them; -1 with an exception set. */
static int64_t
levels_from(PyObject *flat, double *out)
{
    if (!PyTuple_Check(flat)) {
        PyErr_SetString(PyExc_TypeError, "levels are a flat tuple");
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(flat) / 2;
    if (count > DEPTH_LEVELS) {
        count = DEPTH_LEVELS;
    }
    memset(out, 0, SIDE_NUMBERS * sizeof(double));
    for (Py_ssize_t i = 0; i < 2 * count; i++) {
        out[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(flat, i));
        if (out[i] == -1.0 && PyErr_Occurred()) {
            return -1;
        }
    }
    return count;
}

static PyObject *
flow_window_on_book(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    FlowWindow *self = (FlowWindow *)object;
    int64_t times_ns[2];
    double bids[SIDE_NUMBERS], asks[SIDE_NUMBERS];
    if (!has_count("on_book", count, 4) || !integers_from(args, 2, times_ns)) {
        return NULL;
    }
    int64_t bid_count = levels_from(args[2], bids);
    int64_t ask_count = bid_count < 0 ? -1 : levels_from(args[3], asks);
    if (ask_count < 0) {
        return NULL;
    }
    if (bid_count && ask_count) {
        window_levels(self, times_ns[1], bids, bid_count, asks, ask_count);
    }
    memcpy(self->bids, bids, sizeof(bids));
    memcpy(self->asks, asks, sizeof(asks));
    self->bid_count = bid_count;
    self->ask_count = ask_count;
    self->book_stamp_ns = times_ns[0];
    self->book_follows = 1;
    const double touch[4] = {bid_count ? bids[0] : NAN, bids[1], ask_count ? asks[0] : NAN,
                             asks[1]};
    window_quote(self, times_ns[0], times_ns[1], BOOK_SOURCE, touch);
    Py_RETURN_NONE;
}

static PyObject *
flow_window_on_invalid_book(PyObject *object, PyObject *Py_UNUSED(none))
{
    FlowWindow *self = (FlowWindow *)object;
    self->bid_count = self->ask_count = 0;
    memset(self->bids, 0, sizeof(self->bids));
    memset(self->asks, 0, sizeof(self->asks));
    Py_RETURN_NONE;
}

static PyObject *
flow_window_on_gap(PyObject *self, PyObject *Py_UNUSED(none))
{
    window_gap((FlowWindow *)self);
    Py_RETURN_NONE;
}

static bool
is_window(PyObject *object)
{
    if (Py_TYPE(object) != &FlowWindow_Type) {
        PyErr_SetString(PyExc_TypeError, "a mate is a window of the same half");
        return false;
    }
    return true;
}

static PyObject *
flow_window_on_mate(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    FlowWindow *self = (FlowWindow *)object;
    int64_t now_ns;
    if (!has_count("on_mate", count, 2) || !integers_from(args, 1, &now_ns)
        || !is_window(args[1])) {
        return NULL;
    }
    const BestQuote *other = ((FlowWindow *)args[1])->quote;
    bool known = quote_is_fresh(self->quote, now_ns) && quote_is_fresh(other, now_ns);
    self->basis = moments_as_of(&self->basis, now_ns);
    self->basis.level = known ? other->mid - self->quote->mid : NAN;
    Py_RETURN_NONE;
}

static PyObject *
flow_window_vector(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    FlowWindow *self = (FlowWindow *)object;
    int64_t now_ns;
    if (count != 1 && !has_count("vector", count, 2)) {
        return NULL;
    }
    bool alone = count == 1 || args[1] == Py_None;
    if (!integers_from(args, 1, &now_ns) || (!alone && !is_window(args[1]))) {
        return NULL;
    }
    double values[FEATURE_COUNT];
    View view = view_of(self, now_ns), other;
    bool paired = false;
    if (!alone) {
        other = view_of((FlowWindow *)args[1], now_ns);
        paired = other.fresh;
    }
    read_odd(&view, paired ? &other : NULL, values);
    read_even(&view, values + 20);
    PyObject *vector = PyTuple_New(FEATURE_COUNT);
    for (int i = 0; vector != NULL && i < FEATURE_COUNT; i++) {
        PyObject *value = PyFloat_FromDouble(isfinite(values[i]) ? values[i] + 0.0 : NAN);
        if (value == NULL) {
            Py_CLEAR(vector);
            break;
        }
        PyTuple_SET_ITEM(vector, i, value);
    }
    return vector;
}

static PyObject *
flow_window_volatility_ratio(PyObject *self, PyObject *now)
{
    const Moves *moves = &((FlowWindow *)self)->moves;
    int64_t now_ns;
    if (!integers_from(&now, 1, &now_ns)) {
        return NULL;
    }
    double slow = rate_read(&moves->variance_60s, now_ns);
    double fast = rate_read(&moves->variance_5s, now_ns);
    return PyFloat_FromDouble(slow > 0.0 ? sqrt(fast / slow) : 0.0);
}

static PyObject *
flow_window_state(PyObject *object, PyObject *Py_UNUSED(none))
{
    FlowWindow *self = (FlowWindow *)object;
    Visit counted = {0};
    visit_window(&counted, self);
    PyObject *state = PyBytes_FromStringAndSize(NULL, counted.size);
    if (state != NULL) {
        Visit visit = {.at = (unsigned char *)PyBytes_AS_STRING(state)};
        visit_window(&visit, self);
    }
    return state;
}

/* What a state may not hold; false with ValueError set. */
static bool
is_sound(const FlowWindow *window)
{
    const Buckets *buckets = &window->takers.buckets;
    if (window->bid_count < 0 || window->bid_count > DEPTH_LEVELS || window->ask_count < 0
        || window->ask_count > DEPTH_LEVELS) {
        PyErr_Format(PyExc_ValueError, "%lld bids and %lld asks, %d at most",
                     (long long)window->bid_count, (long long)window->ask_count, DEPTH_LEVELS);
        return false;
    }
    if (buckets->next < 0 || buckets->next >= BUCKETS || buckets->full < 0
        || buckets->full > FULL_MAX) {
        PyErr_Format(PyExc_ValueError, "place %lld of %lld buckets in a ring of %d",
                     (long long)buckets->next, (long long)buckets->full, BUCKETS);
        return false;
    }
    return true;
}

static PyObject *
flow_window_load(PyObject *object, PyObject *state)
{
    FlowWindow *self = (FlowWindow *)object;
    Visit visit = {0};
    visit_window(&visit, self);
    if (!PyBytes_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "a state is bytes");
        return NULL;
    }
    if (PyBytes_GET_SIZE(state) != visit.size) {
        return PyErr_Format(PyExc_ValueError, "a window's state has %zd bytes, not %zd",
                            visit.size, PyBytes_GET_SIZE(state));
    }
    /* into a copy, so that a state that is refused changes nothing */
    FlowWindow loaded = *self;
    BestQuote quote = *self->quote;
    loaded.quote = &quote;
    visit = (Visit){.at = (unsigned char *)PyBytes_AS_STRING(state), .load = true};
    visit_window(&visit, &loaded);
    if (!is_sound(&loaded)) {
        return NULL;
    }
    for (int64_t i = 2 * loaded.bid_count; i < SIDE_NUMBERS; i++) {
        loaded.bids[i] = 0.0;
    }
    for (int64_t i = 2 * loaded.ask_count; i < SIDE_NUMBERS; i++) {
        loaded.asks[i] = 0.0;
    }
    buckets_sum(&loaded.takers.buckets);
    loaded.quote = self->quote;
    *self = loaded;
    const double touch[4] = {quote.bid, quote.bid_size, quote.ask, quote.ask_size};
    quote_update(self->quote, quote.stamp_ns, quote.source, touch);
    Py_RETURN_NONE;
}

static PyObject *
flow_window_get_quote(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((FlowWindow *)self)->quote);
}

static PyGetSetDef flow_window_getset[] = {
    {"quote", flow_window_get_quote, NULL, "The best bid and offer.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(name) {#name, (PyCFunction)(void (*)(void))flow_window_##name, METH_FASTCALL, NULL}
static PyMethodDef flow_window_methods[] = {
    FAST(on_trade),
    FAST(on_quote),
    FAST(on_book),
    FAST(on_mate),
    FAST(vector),
    {"on_invalid_book", flow_window_on_invalid_book, METH_NOARGS, NULL},
    {"on_gap", flow_window_on_gap, METH_NOARGS, NULL},
    {"volatility_ratio", flow_window_volatility_ratio, METH_O, NULL},
    {"state", flow_window_state, METH_NOARGS, NULL},
    {"load", flow_window_load, METH_O, NULL},
    END_OF_METHODS,
};

static PyTypeObject FlowWindow_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.FlowWindow",
    .tp_doc = "The twin of hunter.brain.window.window.FlowWindow.",
    .tp_basicsize = sizeof(FlowWindow),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = flow_window_new,
    .tp_dealloc = flow_window_dealloc,
    .tp_methods = flow_window_methods,
    .tp_getset = flow_window_getset,
};

int
hn_add_window(PyObject *module)
{
    if (PyType_Ready(&BestQuote_Type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &FlowWindow_Type);
}
