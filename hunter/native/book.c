/* Books: the levels of one instrument in order of price, and what the cross check keeps of them.
 *
 * The exchange sends the changes of a side from the best price on, few and near the top, so a
 * message is merged in one pass over the levels that it touches. */
#include "kernel.h"
#include <stddef.h>
#include <structmember.h>

_Static_assert(sizeof(long long) == sizeof(int64_t), "members are read as long long");

#define COUNTER(type, field, doc) {#field, T_LONGLONG, offsetof(type, field), 0, doc}
#define END_OF_MEMBERS {NULL, 0, 0, 0, NULL}

#define ROOM_MIN 512
/* More levels than any exchange has; their bytes fit into an int. */
#define ROOM_MAX (1 << 24)
/* Levels that one pass merges; a message that spans more goes level by level. */
#define PASS_LEVELS_MAX 768
/* Levels from Python that need no memory of their own. */
#define FEW_LEVELS 64

/* ---- one side ---- */

typedef struct {
    HnLevel **levels;
    int *count;
    int *room;
} Side;

static Side
side_of(HnBookState *book, bool is_ask)
{
    if (is_ask) {
        return (Side){&book->asks, &book->ask_count, &book->ask_room};
    }
    return (Side){&book->bids, &book->bid_count, &book->bid_room};
}

static bool
make_room(Side side, int more)
{
    if (more <= *side.room - *side.count) {
        return true;
    }
    if (more > ROOM_MAX - *side.count) {
        return false;
    }
    int room = *side.room < ROOM_MIN ? ROOM_MIN : *side.room;
    while (room < *side.count + more) {
        room *= 2;
    }
    HnLevel *levels = PyMem_Realloc(*side.levels, (size_t)room * sizeof(HnLevel));
    if (levels == NULL) {
        return false;
    }
    *side.levels = levels;
    *side.room = room;
    return true;
}

static void
move_levels(HnLevel *to, const HnLevel *from, int count)
{
    if (count > 0) {
        memmove(to, from, (size_t)count * sizeof(HnLevel));
    }
}

/* The first index within [low, high) whose price is not below `price`. */
static int
lower_bound(const HnLevel *levels, int low, int high, double price)
{
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (levels[middle].price < price) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

/* The same among all levels, looked for from the best price on in growing steps. */
static int
find_price(const HnLevel *levels, int count, bool is_ask, double price)
{
    int step = 4, low = 0, high = count;
    if (is_ask) {
        while (low + step < count && levels[low + step].price < price) {
            low += step + 1;
            step *= 2;
        }
        high = low + step < count ? low + step : count;
    }
    else {
        while (high - step > 0 && !(levels[high - step].price < price)) {
            high -= step;
            step *= 2;
        }
        low = high - step > 0 ? high - step : 0;
    }
    return lower_bound(levels, low, high, price);
}

/* One level; true when it deletes nothing. There is room for one more. */
static bool
merge_one(Side side, bool is_ask, HnLevel level)
{
    HnLevel *levels = *side.levels;
    int count = *side.count;
    int index = find_price(levels, count, is_ask, level.price);
    if (index < count && levels[index].price == level.price) {
        if (level.size != 0.0) {
            levels[index].size = level.size;
            return false;
        }
        move_levels(levels + index, levels + index + 1, count - index - 1);
        *side.count = count - 1;
        return false;
    }
    if (level.size == 0.0) {
        return true;
    }
    move_levels(levels + index + 1, levels + index, count - index);
    levels[index] = level;
    *side.count = count + 1;
    return false;
}

/* Whether a message runs from its best price to its worst, no price twice. */
static bool
is_from_the_best(const HnLevel *levels, int count, bool is_ask)
{
    bool in_order = true;
    for (int index = 1; index < count; index++) {
        double before = levels[index - 1].price, price = levels[index].price;
        in_order &= is_ask ? before < price : before > price;
    }
    return in_order;
}

/* A message in order, in one pass over [low, high), the levels between its first price and its
 * last; returns how many deletes met no level. There is room. */
static int
merge_pass(Side side, bool is_ask, const HnLevel *news, int news_count, int low, int high)
{
    HnLevel merged[2 * PASS_LEVELS_MAX];
    HnLevel *levels = *side.levels;
    int orphans = 0, out = 0, old = low;
    for (int index = 0; index < news_count; index++) {
        /* The side ascends; bids come descending. */
        HnLevel level = news[is_ask ? index : news_count - 1 - index];
        while (old < high && levels[old].price < level.price) {
            merged[out++] = levels[old++];
        }
        bool known = old < high && levels[old].price == level.price;
        old += known;
        orphans += !known && level.size == 0.0;
        merged[out] = level;
        out += level.size != 0.0;
    }
    /* The last price is the end of the range, so nothing of it is left. */
    move_levels(levels + low + out, levels + high, *side.count - high);
    move_levels(levels + low, merged, out);
    *side.count += out - (high - low);
    return orphans;
}

int
hn_book_merge(HnBookState *book, bool is_ask, const HnLevel *levels, int count)
{
    Side side = side_of(book, is_ask);
    int orphans = 0;
    if (count <= 0) {
        return 0;
    }
    if (!make_room(side, count)) {
        return -1;
    }
    if (count <= PASS_LEVELS_MAX && is_from_the_best(levels, count, is_ask)) {
        double first = levels[is_ask ? 0 : count - 1].price;
        double last = levels[is_ask ? count - 1 : 0].price;
        int low = find_price(*side.levels, *side.count, is_ask, first);
        int high = find_price(*side.levels, *side.count, is_ask, last);
        high += high < *side.count && (*side.levels)[high].price == last;
        if (low <= high && high - low <= PASS_LEVELS_MAX) {
            return merge_pass(side, is_ask, levels, count, low, high);
        }
    }
    for (int index = 0; index < count; index++) {
        orphans += merge_one(side, is_ask, levels[index]);
    }
    return orphans;
}

/* ---- both sides ---- */

void
hn_book_top(const HnBookState *book, int level_count_max, HnLevel *bids, int *bid_count,
            HnLevel *asks, int *ask_count)
{
    *bid_count = book->bid_count < level_count_max ? book->bid_count : level_count_max;
    *ask_count = book->ask_count < level_count_max ? book->ask_count : level_count_max;
    for (int index = 0; index < *bid_count; index++) {
        bids[index] = book->bids[book->bid_count - 1 - index];
    }
    move_levels(asks, book->asks, *ask_count);
}

/* The size that a message leaves at a price, by its last word on it; -1 when it has none. */
static double
size_told(const HnLevel *news, int count, double price)
{
    while (count-- > 0) {
        if (news[count].price == price) {
            return news[count].size;
        }
    }
    return -1.0;
}

/* The best price of a side once `news` were merged; false when nothing would be left. */
static bool
best_after(const HnLevel *levels, int level_count, bool is_ask, const HnLevel *news,
           int news_count, double *best)
{
    bool found = false;
    for (int index = 0; index < level_count && !found; index++) {
        double price = levels[is_ask ? index : level_count - 1 - index].price;
        if (size_told(news, news_count, price) != 0.0) {
            *best = price;
            found = true;
        }
    }
    for (int index = 0; index < news_count; index++) {
        double price = news[index].price;
        if (news[index].size != 0.0 && (!found || (is_ask ? price < *best : price > *best))
            && size_told(news + index, news_count - index, price) != 0.0) {
            *best = price;
            found = true;
        }
    }
    return found;
}

bool
hn_book_would_cross(const HnBookState *book, const HnBookMessage *message)
{
    double bid, ask;
    return best_after(book->bids, book->bid_count, false, message->bids, message->bid_count, &bid)
           && best_after(book->asks, book->ask_count, true, message->asks, message->ask_count,
                         &ask)
           && bid >= ask;
}

/* ---- levels to and from Python ---- */

static bool
to_level(PyObject *item, HnLevel *level)
{
    static PyObject *price_name, *size_name;
    if (price_name == NULL && (price_name = PyUnicode_InternFromString("price")) == NULL) {
        return false;
    }
    if (size_name == NULL && (size_name = PyUnicode_InternFromString("size")) == NULL) {
        return false;
    }
    PyObject *price = PyObject_GetAttr(item, price_name);
    PyObject *size = price == NULL ? NULL : PyObject_GetAttr(item, size_name);
    bool fine = size != NULL;
    if (fine) {
        level->price = PyFloat_AsDouble(price);
        level->size = PyFloat_AsDouble(size);
        fine = !PyErr_Occurred();
    }
    Py_XDECREF(price);
    Py_XDECREF(size);
    return fine;
}

/* Levels of a list of BookLevel, in `few` or in memory to be freed; NULL with an exception. */
static HnLevel *
to_levels(PyObject *list, HnLevel *few, Py_ssize_t *count)
{
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "levels come in a list");
        return NULL;
    }
    *count = PyList_GET_SIZE(list);
    if (*count > ROOM_MAX) {
        PyErr_NoMemory();
        return NULL;
    }
    HnLevel *levels = few;
    if (*count > FEW_LEVELS) {
        levels = PyMem_Malloc((size_t)*count * sizeof(HnLevel));
        if (levels == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    for (Py_ssize_t index = 0; index < *count; index++) {
        /* Reading an attribute may run Python, which may shorten the list. */
        PyObject *item = index < PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, index) : NULL;
        Py_XINCREF(item);
        bool fine = item != NULL && to_level(item, &levels[index]);
        Py_XDECREF(item);
        if (!fine) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_RuntimeError, "the list changed while it was read");
            }
            if (levels != few) {
                PyMem_Free(levels);
            }
            return NULL;
        }
    }
    return levels;
}

/* [price, size, price, size, ...], best first. */
static PyObject *
flat_list(const HnLevel *levels, int count, bool backwards)
{
    PyObject *list = PyList_New(2 * (Py_ssize_t)count);
    for (int index = 0; list != NULL && index < count; index++) {
        const HnLevel *level = &levels[backwards ? count - 1 - index : index];
        PyObject *price = PyFloat_FromDouble(level->price);
        PyObject *size = PyFloat_FromDouble(level->size);
        if (price == NULL || size == NULL) {
            Py_XDECREF(price);
            Py_XDECREF(size);
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, 2 * index, price);
        PyList_SET_ITEM(list, 2 * index + 1, size);
    }
    return list;
}

/* ---- BookState ---- */

static PyObject *
book_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!PyArg_ParseTuple(args, ":BookState") || (kwargs != NULL && PyDict_GET_SIZE(kwargs))) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "BookState takes no arguments");
        }
        return NULL;
    }
    HnBookState *self = (HnBookState *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->seq_id = HN_NO_SEQUENCE;
    }
    return (PyObject *)self;
}

static void
book_dealloc(PyObject *self)
{
    PyMem_Free(((HnBookState *)self)->bids);
    PyMem_Free(((HnBookState *)self)->asks);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
book_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((HnBookState *)self)->bid_count = 0;
    ((HnBookState *)self)->ask_count = 0;
    Py_RETURN_NONE;
}

static PyObject *
merge_list(PyObject *self, PyObject *list, bool is_ask)
{
    HnLevel few[FEW_LEVELS];
    Py_ssize_t count;
    HnLevel *levels = to_levels(list, few, &count);
    if (levels == NULL) {
        return NULL;
    }
    int orphans = hn_book_merge((HnBookState *)self, is_ask, levels, (int)count);
    if (levels != few) {
        PyMem_Free(levels);
    }
    return orphans < 0 ? PyErr_NoMemory() : PyLong_FromLong(orphans);
}

static PyObject *
book_merge_bids(PyObject *self, PyObject *list)
{
    return merge_list(self, list, false);
}

static PyObject *
book_merge_asks(PyObject *self, PyObject *list)
{
    return merge_list(self, list, true);
}

/* Levels that are not empty, instead of those of before: of a price told twice the last one. */
static void
replace_side(Side side, bool is_ask, HnLevel *levels, int count)
{
    int kept = 0;
    for (int index = 0; index < count; index++) {
        if (levels[index].size != 0.0) {
            levels[kept++] = levels[index];
        }
    }
    *side.count = 0;
    if (!is_from_the_best(levels, kept, is_ask)) {
        for (int index = 0; index < kept; index++) {
            merge_one(side, is_ask, levels[index]);
        }
        return;
    }
    for (int index = 0; index < kept; index++) {
        (*side.levels)[is_ask ? index : kept - 1 - index] = levels[index];
    }
    *side.count = kept;
}

static PyObject *
book_replace(PyObject *object, PyObject *args)
{
    HnBookState *self = (HnBookState *)object;
    PyObject *bid_list, *ask_list, *result = NULL;
    HnLevel few_bids[FEW_LEVELS], few_asks[FEW_LEVELS];
    HnLevel *asks = NULL;
    Py_ssize_t bid_count, ask_count;
    if (!PyArg_ParseTuple(args, "OO:replace", &bid_list, &ask_list)) {
        return NULL;
    }
    HnLevel *bids = to_levels(bid_list, few_bids, &bid_count);
    if (bids == NULL) {
        return NULL;
    }
    asks = to_levels(ask_list, few_asks, &ask_count);
    if (asks == NULL) {
        goto end;
    }
    /* Room first, so that nothing has changed without memory. */
    if (!make_room(side_of(self, false), (int)bid_count)
        || !make_room(side_of(self, true), (int)ask_count)) {
        PyErr_NoMemory();
        goto end;
    }
    replace_side(side_of(self, false), false, bids, (int)bid_count);
    replace_side(side_of(self, true), true, asks, (int)ask_count);
    result = Py_NewRef(Py_None);
end:
    if (bids != few_bids) {
        PyMem_Free(bids);
    }
    if (asks != few_asks) {
        PyMem_Free(asks);
    }
    return result;
}

static PyObject *
book_top(PyObject *object, PyObject *argument)
{
    const HnBookState *self = (HnBookState *)object;
    Py_ssize_t wanted = PyNumber_AsSsize_t(argument, NULL);
    if (wanted == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int bid_count = wanted < self->bid_count ? (int)wanted : self->bid_count;
    int ask_count = wanted < self->ask_count ? (int)wanted : self->ask_count;
    if (wanted < 0) {
        PyErr_SetString(PyExc_ValueError, "a number of levels is not negative");
        return NULL;
    }
    PyObject *bids = bid_count == 0 ? PyList_New(0)
                                    : flat_list(self->bids + self->bid_count - bid_count,
                                                bid_count, true);
    PyObject *asks = flat_list(self->asks, ask_count, false);
    return Py_BuildValue("NN", bids, asks);
}

static PyObject *
book_best_bid(PyObject *object, void *unused)
{
    const HnBookState *self = (HnBookState *)object;
    (void)unused;
    return self->bid_count ? PyFloat_FromDouble(self->bids[self->bid_count - 1].price)
                           : Py_NewRef(Py_None);
}

static PyObject *
book_best_ask(PyObject *object, void *unused)
{
    const HnBookState *self = (HnBookState *)object;
    (void)unused;
    return self->ask_count ? PyFloat_FromDouble(self->asks[0].price) : Py_NewRef(Py_None);
}

static PyObject *
book_level_counts(PyObject *object, void *unused)
{
    const HnBookState *self = (HnBookState *)object;
    (void)unused;
    return Py_BuildValue("ii", self->bid_count, self->ask_count);
}

static PyMemberDef book_members[] = {
    COUNTER(HnBookState, seq_id, "-1: none"),
    COUNTER(HnBookState, exchange_ts_ns, NULL),
    COUNTER(HnBookState, snapshot_count, NULL),
    COUNTER(HnBookState, update_count, NULL),
    COUNTER(HnBookState, orphan_delete_count, NULL),
    END_OF_MEMBERS,
};

static PyGetSetDef book_attributes[] = {
    {"best_bid", book_best_bid, NULL, "None when the side is empty", NULL},
    {"best_ask", book_best_ask, NULL, "None when the side is empty", NULL},
    {"level_counts", book_level_counts, NULL, "of bids and asks", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef book_methods[] = {
    {"replace", book_replace, METH_VARARGS, "All levels of both sides anew."},
    {"merge_bids", book_merge_bids, METH_O, "Absolute sizes; how many deletes met no level."},
    {"merge_asks", book_merge_asks, METH_O, "Absolute sizes; how many deletes met no level."},
    {"top", book_top, METH_O, "Bids and asks as [price, size, ...], best first."},
    {"clear", book_clear, METH_NOARGS, "No levels; ids and counts stay."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HnBookState_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.BookState",
    .tp_doc = "Levels and ids of one book.",
    .tp_basicsize = sizeof(HnBookState),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = book_new,
    .tp_dealloc = book_dealloc,
    .tp_members = book_members,
    .tp_getset = book_attributes,
    .tp_methods = book_methods,
};

/* ---- KeptTops ---- */

/* The newest first: most questions are about those. */
static int
kept_index(const HnKeptTops *kept, int64_t seq_id)
{
    if (seq_id < 0 || seq_id > kept->id_max) {
        return -1;
    }
    for (int age = 1; age <= HN_KEPT; age++) {
        int index = (kept->next + HN_KEPT - age) % HN_KEPT;
        if (kept->tops[index].seq_id == seq_id) {
            return index;
        }
    }
    return -1;
}

void
hn_kept_keep(HnKeptTops *kept, const HnTop *top)
{
    hn_kept_drop(kept, top->seq_id);
    kept->tops[kept->next] = *top;
    kept->id_max = top->seq_id > kept->id_max ? top->seq_id : kept->id_max;
    kept->next = (kept->next + 1) % HN_KEPT;
}

const HnTop *
hn_kept_find(const HnKeptTops *kept, int64_t seq_id)
{
    int index = kept_index(kept, seq_id);
    return index < 0 ? NULL : &kept->tops[index];
}

bool
hn_kept_drop(HnKeptTops *kept, int64_t seq_id)
{
    int index = kept_index(kept, seq_id);
    if (index >= 0) {
        kept->tops[index].seq_id = HN_NO_SEQUENCE;
    }
    return index >= 0;
}

static void
forget_all(HnKeptTops *kept)
{
    for (int index = 0; index < HN_KEPT; index++) {
        kept->tops[index].seq_id = HN_NO_SEQUENCE;
    }
    kept->next = 0;
    kept->id_max = HN_NO_SEQUENCE;
}

static PyObject *
kept_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!PyArg_ParseTuple(args, ":KeptTops") || (kwargs != NULL && PyDict_GET_SIZE(kwargs))) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "KeptTops takes no arguments");
        }
        return NULL;
    }
    HnKeptTops *self = (HnKeptTops *)type->tp_alloc(type, 0);
    if (self != NULL) {
        forget_all(self);
    }
    return (PyObject *)self;
}

static void
plain_dealloc(PyObject *self)
{
    Py_TYPE(self)->tp_free(self);
}

/* At most HN_KEPT_LEVELS levels of a flat list; -1 with an exception. */
static int
to_top_side(PyObject *list, HnLevel *levels)
{
    if (!PyList_Check(list) || PyList_GET_SIZE(list) % 2
        || PyList_GET_SIZE(list) > 2 * HN_KEPT_LEVELS) {
        PyErr_SetString(PyExc_ValueError, "a side is [price, size, ...], 5 levels at most");
        return -1;
    }
    int count = (int)(PyList_GET_SIZE(list) / 2);
    for (int index = 0; index < count; index++) {
        PyObject *price = PyList_GET_ITEM(list, 2 * index);
        PyObject *size = PyList_GET_ITEM(list, 2 * index + 1);
        if (!PyFloat_Check(price) || !PyFloat_Check(size)) {
            PyErr_SetString(PyExc_TypeError, "prices and sizes are floats");
            return -1;
        }
        levels[index].price = PyFloat_AS_DOUBLE(price);
        levels[index].size = PyFloat_AS_DOUBLE(size);
    }
    return count;
}

static PyObject *
kept_keep(PyObject *self, PyObject *args)
{
    HnTop top;
    PyObject *bids, *asks;
    long long seq_id;
    memset(&top, 0, sizeof top);
    if (!PyArg_ParseTuple(args, "LOO:keep", &seq_id, &bids, &asks)) {
        return NULL;
    }
    if (seq_id < 0) {
        PyErr_SetString(PyExc_ValueError, "only what has a sequence id is kept");
        return NULL;
    }
    top.seq_id = seq_id;
    if ((top.bid_count = to_top_side(bids, top.bids)) < 0
        || (top.ask_count = to_top_side(asks, top.asks)) < 0) {
        return NULL;
    }
    hn_kept_keep((HnKeptTops *)self, &top);
    Py_RETURN_NONE;
}

static PyObject *
kept_find(PyObject *self, PyObject *argument)
{
    long long seq_id = PyLong_AsLongLong(argument);
    if (seq_id == -1 && PyErr_Occurred()) {
        return NULL;
    }
    const HnTop *top = hn_kept_find((HnKeptTops *)self, seq_id);
    if (top == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("NN", flat_list(top->bids, top->bid_count, false),
                         flat_list(top->asks, top->ask_count, false));
}

static PyObject *
kept_pop(PyObject *self, PyObject *argument)
{
    PyObject *sides = kept_find(self, argument);
    if (sides != NULL && sides != Py_None) {
        hn_kept_drop((HnKeptTops *)self, PyLong_AsLongLong(argument));
    }
    return sides;
}

static PyObject *
kept_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    forget_all((HnKeptTops *)self);
    Py_RETURN_NONE;
}

static Py_ssize_t
kept_length(PyObject *self)
{
    Py_ssize_t count = 0;
    for (int index = 0; index < HN_KEPT; index++) {
        count += ((HnKeptTops *)self)->tops[index].seq_id != HN_NO_SEQUENCE;
    }
    return count;
}

static PySequenceMethods kept_sequence = {.sq_length = kept_length};

static PyMethodDef kept_methods[] = {
    {"keep", kept_keep, METH_VARARGS, "Best levels under an id, in place of the oldest."},
    {"find", kept_find, METH_O, "(bids, asks) or None"},
    {"pop", kept_pop, METH_O, "(bids, asks), which are then kept no more; or None"},
    {"clear", kept_clear, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HnKeptTops_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.KeptTops",
    .tp_doc = "The newest best levels, by sequence id.",
    .tp_basicsize = sizeof(HnKeptTops),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = kept_new,
    .tp_dealloc = plain_dealloc,
    .tp_as_sequence = &kept_sequence,
    .tp_methods = kept_methods,
};

/* ---- Calm ---- */

static PyObject *
calm_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!PyArg_ParseTuple(args, ":Calm") || (kwargs != NULL && PyDict_GET_SIZE(kwargs))) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Calm takes no arguments");
        }
        return NULL;
    }
    HnCalm *self = (HnCalm *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->quotes_compared_id = self->tops_compared_id = HN_NO_SEQUENCE;
    }
    return (PyObject *)self;
}

static PyMemberDef calm_members[] = {
    COUNTER(HnCalm, compared_count, NULL),
    COUNTER(HnCalm, agreed_in_a_row, NULL),
    COUNTER(HnCalm, quotes_compared_id, "-1: none yet"),
    COUNTER(HnCalm, tops_compared_id, "-1: none yet"),
    COUNTER(HnCalm, last_id, "of the book"),
    END_OF_MEMBERS,
};

PyTypeObject HnCalm_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Calm",
    .tp_doc = "What an agreement between a book and its quotes changes.",
    .tp_basicsize = sizeof(HnCalm),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = calm_new,
    .tp_dealloc = plain_dealloc,
    .tp_members = calm_members,
};

/* For the tests: hn_book_would_cross of a `data` that hn_json_book takes. */
static PyObject *
book_would_cross(PyObject *module, PyObject *args)
{
    PyObject *book;
    HnText data;
    Py_ssize_t length;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!y#:book_would_cross", &HnBookState_Type, &book, &data.start,
                          &length)) {
        return NULL;
    }
    data.length = (size_t)length;
    HnBookMessage *message = PyMem_Malloc(sizeof *message);
    if (message == NULL) {
        return PyErr_NoMemory();
    }
    bool taken = hn_json_book(data, message);
    bool crosses = taken && hn_book_would_cross((HnBookState *)book, message);
    PyMem_Free(message);
    if (!taken) {
        PyErr_SetString(PyExc_ValueError, "not an ordinary book message");
        return NULL;
    }
    return PyBool_FromLong(crosses);
}

static PyMethodDef book_functions[] = {
    {"book_would_cross", book_would_cross, METH_VARARGS,
     "Whether a book would be crossed with the levels of a message."},
    {NULL, NULL, 0, NULL},
};

int
hn_add_book(PyObject *module)
{
    if (PyModule_AddFunctions(module, book_functions) < 0
        || PyModule_AddType(module, &HnBookState_Type) < 0
        || PyModule_AddType(module, &HnKeptTops_Type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &HnCalm_Type);
}
