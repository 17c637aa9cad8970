/* The lanes of a segment as their writer sees them: rows in, batch by batch. The twin of
 * hunter.ring.lanes.PlainLanes; ring.h says which order of stores it keeps, and why.
 */
#include "kernel.h"
#include "ring.h"

#include <string.h>

/* `position` is the next row's; rows below `head` are published. */
typedef struct {
    unsigned char *rows;
    HnWord *words; /* intent, head */
    uint64_t intent;
    uint64_t head;
    uint64_t position;
    uint64_t mask;
    uint32_t row_bytes;
    uint32_t batch_row_count_max; /* 0: no such lane */
    uint32_t instrument;
    uint32_t group;
    bool takes_arrivals;
} Lane;

struct HnLanes {
    PyObject_HEAD
    Py_buffer segment; /* obj NULL: closed */
    HnWord *epoch_word;
    HnWord *arrival_words;
    uint64_t epoch;
    uint64_t *arrivals; /* numbers taken so far, by group: its first instrument's place */
    uint64_t *newest;   /* number of the newest row, by instrument */
    Lane *lanes;        /* by instrument, then kind */
    Lane **unpublished;
    uint32_t unpublished_count;
    uint32_t instrument_count;
};

/* ---- what readers and writers share --------------------------------------------------------- */

void
hn_raise(const char *name, const char *text)
{
    PyObject *errors = PyImport_ImportModule("hunter.errors");
    PyObject *type = errors ? PyObject_GetAttrString(errors, name) : NULL;
    if (type) {
        PyErr_SetString(type, text);
    }
    Py_XDECREF(type);
    Py_XDECREF(errors);
}

int
hn_segment_open(PyObject *view, int flags, Py_buffer *segment)
{
    if (PyObject_GetBuffer(view, segment, flags) < 0) {
        return -1;
    }
    if ((uintptr_t)segment->buf % sizeof(HnWord)) {
        PyBuffer_Release(segment);
        PyErr_SetString(PyExc_ValueError, "the segment's words are not aligned");
        return -1;
    }
    return 0;
}

HnWord *
hn_segment_words(const Py_buffer *segment, uint64_t word, uint64_t count)
{
    uint64_t there = (uint64_t)segment->len / sizeof(HnWord);
    if (word > there || count > there - word) {
        PyErr_SetString(PyExc_ValueError, "a word lies outside the segment");
        return NULL;
    }
    return (HnWord *)segment->buf + word;
}

unsigned char *
hn_segment_rows(const Py_buffer *segment, uint64_t offset, uint64_t capacity, uint64_t row_bytes)
{
    uint64_t there = (uint64_t)segment->len;
    bool is_ring = capacity >= 2 && capacity <= HN_CAPACITY_MAX && !(capacity & (capacity - 1));
    bool is_row = row_bytes % sizeof(HnWord) == 0 && row_bytes <= 4096
                  && row_bytes >= HN_ROW_HEAD_BYTES + sizeof(HnWord);
    if (!is_ring || !is_row || offset % sizeof(HnWord) || offset > there
        || capacity * row_bytes > there - offset) {
        PyErr_SetString(PyExc_ValueError, "a lane lies outside the segment");
        return NULL;
    }
    return (unsigned char *)segment->buf + offset;
}

/* ---- putting and publishing ----------------------------------------------------------------- */

static bool
is_open(const HnLanes *lanes)
{
    if (!lanes->segment.obj) {
        PyErr_SetString(PyExc_ValueError, "these lanes are closed");
        return false;
    }
    return true;
}

static bool
is_writer(const HnLanes *lanes)
{
    if (atomic_load_explicit(lanes->epoch_word, memory_order_acquire) != lanes->epoch) {
        hn_raise("WriterFenced", "another process writes this ring now; this one must stop");
        return false;
    }
    return true;
}

static Lane *
lane_of(const HnLanes *lanes, uint32_t instrument, uint32_t kind)
{
    if (instrument >= lanes->instrument_count || kind >= HN_KINDS) {
        PyErr_SetString(PyExc_IndexError, "no such instrument or kind");
        return NULL;
    }
    return &lanes->lanes[instrument * HN_KINDS + kind];
}

int
hn_lanes_publish(HnLanes *lanes)
{
    if (!lanes->unpublished_count) {
        return 0;
    }
    if (!is_open(lanes) || !is_writer(lanes)) {
        return -1;
    }
    for (uint32_t place = 0; place < lanes->unpublished_count; place++) {
        Lane *lane = lanes->unpublished[place];
        lane->head = lane->position;
        atomic_store_explicit(&lane->words[1], lane->head, memory_order_release);
    }
    /* After the heads of all lanes: a reader takes rows up to here for complete in every lane of
     * the group, also in those of an instrument whose own arrival head it has seen before. */
    for (uint32_t place = 0; place < lanes->unpublished_count; place++) {
        uint32_t instrument = lanes->unpublished[place]->instrument;
        atomic_store_explicit(&lanes->arrival_words[instrument], lanes->newest[instrument],
                              memory_order_release);
    }
    lanes->unpublished_count = 0;
    return 1;
}

/* Before the first row of a batch, and where the one before is full. */
static bool
begin_batch(HnLanes *lanes, Lane *lane)
{
    if (lane->position != lane->head && hn_lanes_publish(lanes) < 0) {
        return false;
    }
    if (!is_open(lanes) || !is_writer(lanes)) {
        return false;
    }
    lanes->unpublished[lanes->unpublished_count++] = lane;
    return true;
}

unsigned char *
hn_lanes_claim(HnLanes *lanes, uint32_t instrument, uint32_t kind)
{
    Lane *lane = lane_of(lanes, instrument, kind);
    if (!lane) {
        return NULL;
    }
    if (!lane->batch_row_count_max) {
        PyErr_SetString(PyExc_AssertionError, "no such lane: no channel feeds it");
        return NULL;
    }
    uint64_t unpublished = lane->position - lane->head;
    if (!unpublished || unpublished >= lane->batch_row_count_max) {
        if (!begin_batch(lanes, lane)) {
            return NULL;
        }
    }
    unsigned char *row = lane->rows + (lane->position & lane->mask) * lane->row_bytes;
    uint64_t sequence = ++lane->position;
    /* a former writer's intent may be in force further on */
    if (sequence > lane->intent) {
        lane->intent = sequence;
        atomic_store_explicit(&lane->words[0], sequence, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* no store to the row before it: see ring.h */
    }
    uint64_t *arrival = &lanes->arrivals[lane->group];
    if (lane->takes_arrivals) {
        lanes->newest[instrument] = ++*arrival;
    }
    memcpy(row, &sequence, sizeof sequence);
    memcpy(row + sizeof sequence, arrival, sizeof *arrival);
    return row;
}

uint32_t
hn_lanes_row_bytes(const HnLanes *lanes, uint32_t kind)
{
    return kind < HN_KINDS ? lanes->lanes[kind].row_bytes : 0;
}

bool
hn_lanes_has(const HnLanes *lanes, uint32_t instrument, uint32_t kind)
{
    return instrument < lanes->instrument_count && kind < HN_KINDS
           && lanes->lanes[instrument * HN_KINDS + kind].batch_row_count_max;
}

void
hn_row_seal(unsigned char *row, uint32_t row_bytes)
{
    uint32_t check = hn_crc32(0, row, row_bytes - HN_CHECK_BYTES);
    memcpy(row + row_bytes - HN_CHECK_BYTES, &check, sizeof check);
}

/* ---- as Python sees it ---------------------------------------------------------------------- */

static void
lanes_close(HnLanes *self)
{
    if (!self->segment.obj) {
        return;
    }
    PyBuffer_Release(&self->segment);
    self->unpublished_count = 0;
    /* the next row of each begins a batch, and that asks whether this is open */
    for (uint32_t number = 0; self->lanes && number < self->instrument_count * HN_KINDS; number++) {
        self->lanes[number].position = self->lanes[number].head;
    }
}

static void
lanes_dealloc(HnLanes *self)
{
    lanes_close(self);
    PyMem_Free(self->arrivals);
    PyMem_Free(self->newest);
    PyMem_Free(self->lanes);
    PyMem_Free(self->unpublished);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* `place`: (intent word, offset, capacity, row bytes); capacity 0: no such lane. */
static int
lane_init(HnLanes *self, Lane *lane, PyObject *place)
{
    unsigned long long intent_word, offset, capacity, row_bytes;
    if (!PyTuple_Check(place)) {
        PyErr_SetString(PyExc_TypeError, "a lane is a tuple of four numbers");
        return -1;
    }
    if (!PyArg_ParseTuple(place, "KKKK", &intent_word, &offset, &capacity, &row_bytes)) {
        return -1;
    }
    uint32_t number = (uint32_t)(lane - self->lanes);
    lane->row_bytes = (uint32_t)row_bytes;
    lane->instrument = number / HN_KINDS;
    lane->takes_arrivals = number % HN_KINDS < HN_MERGED_KINDS;
    if (!capacity) {
        return 0;
    }
    lane->rows = hn_segment_rows(&self->segment, offset, capacity, row_bytes);
    lane->words = lane->rows ? hn_segment_words(&self->segment, intent_word, 2) : NULL;
    if (!lane->words) {
        return -1;
    }
    lane->mask = capacity - 1;
    /* An unpublished batch may never lap itself; readers keep half the lane meanwhile. */
    lane->batch_row_count_max = (uint32_t)(capacity >> 1);
    lane->intent = atomic_load_explicit(&lane->words[0], memory_order_acquire);
    lane->head = atomic_load_explicit(&lane->words[1], memory_order_acquire);
    lane->position = lane->head;
    return 0;
}

/* `groups`: for each instrument the place of the first of its group. */
static int
lanes_group(HnLanes *self, PyObject *groups)
{
    for (uint32_t index = 0; index < self->instrument_count; index++) {
        unsigned long leader = PyLong_AsUnsignedLong(PyList_GET_ITEM(groups, (Py_ssize_t)index));
        if (leader == (unsigned long)-1 && PyErr_Occurred()) {
            return -1;
        }
        if (leader > index) {
            PyErr_SetString(PyExc_ValueError, "a group begins with its first instrument");
            return -1;
        }
        for (uint32_t kind = 0; kind < HN_KINDS; kind++) {
            self->lanes[index * HN_KINDS + kind].group = (uint32_t)leader;
        }
    }
    return 0;
}

static int
lanes_fill(HnLanes *self, PyObject *arrivals, PyObject *places, PyObject *groups)
{
    Py_ssize_t count = PyList_GET_SIZE(arrivals);
    if (count < 1 || count > 1024 || PyList_GET_SIZE(places) != count * HN_KINDS
        || PyList_GET_SIZE(groups) != count) {
        PyErr_SetString(PyExc_ValueError, "eleven lanes and a group are wanted for each instrument");
        return -1;
    }
    self->instrument_count = (uint32_t)count;
    self->arrivals = PyMem_Calloc((size_t)count, sizeof *self->arrivals);
    self->newest = PyMem_Calloc((size_t)count, sizeof *self->newest);
    self->lanes = PyMem_Calloc((size_t)count * HN_KINDS, sizeof *self->lanes);
    self->unpublished = PyMem_Calloc((size_t)count * HN_KINDS, sizeof *self->unpublished);
    if (!self->arrivals || !self->newest || !self->lanes || !self->unpublished) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        self->arrivals[index] = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(arrivals, index));
        if (PyErr_Occurred()) {
            return -1;
        }
        self->newest[index] = self->arrivals[index];
    }
    for (Py_ssize_t number = 0; number < count * HN_KINDS; number++) {
        if (lane_init(self, &self->lanes[number], PyList_GET_ITEM(places, number)) < 0) {
            return -1;
        }
    }
    return lanes_group(self, groups);
}

static PyObject *
lanes_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"view", "epoch", "epoch_word", "arrival_word", "arrivals", "places",
                            "groups", NULL};
    PyObject *view, *arrivals, *places, *groups;
    unsigned long long epoch, epoch_word, arrival_word;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OKKKO!O!O!", names, &view, &epoch, &epoch_word,
                                     &arrival_word, &PyList_Type, &arrivals, &PyList_Type,
                                     &places, &PyList_Type, &groups)) {
        return NULL;
    }
    HnLanes *self = (HnLanes *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->epoch = epoch;
    if (hn_segment_open(view, PyBUF_WRITABLE, &self->segment) < 0
        || !(self->epoch_word = hn_segment_words(&self->segment, epoch_word, 1))
        || !(self->arrival_words = hn_segment_words(&self->segment, arrival_word,
                                                    (uint64_t)PyList_GET_SIZE(arrivals)))
        || lanes_fill(self, arrivals, places, groups) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
to_index(PyObject *number, uint32_t *index)
{
    unsigned long value = PyLong_AsUnsignedLong(number);
    if (value == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    *index = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return 0;
}

static PyObject *
lanes_put(HnLanes *self, PyObject *const *args, Py_ssize_t count)
{
    uint32_t instrument, kind;
    if (count != 3 || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "put(instrument, kind, facts): facts are bytes");
        return NULL;
    }
    if (to_index(args[0], &instrument) < 0 || to_index(args[1], &kind) < 0) {
        return NULL;
    }
    Lane *lane = lane_of(self, instrument, kind);
    if (!lane) {
        return NULL;
    }
    size_t facts_bytes = (size_t)PyBytes_GET_SIZE(args[2]);
    if (facts_bytes + HN_ROW_HEAD_BYTES + HN_CHECK_BYTES != lane->row_bytes) {
        PyErr_SetString(PyExc_AssertionError, "these facts are not of that kind");
        return NULL;
    }
    unsigned char *row = hn_lanes_claim(self, instrument, kind);
    if (!row) {
        return NULL;
    }
    memcpy(row + HN_ROW_HEAD_BYTES, PyBytes_AS_STRING(args[2]), facts_bytes);
    hn_row_seal(row, lane->row_bytes);
    Py_RETURN_NONE;
}

static PyObject *
lanes_publish(HnLanes *self, PyObject *Py_UNUSED(none))
{
    int published = hn_lanes_publish(self);
    return published < 0 ? NULL : PyBool_FromLong(published);
}

static PyObject *
lanes_position(HnLanes *self, PyObject *args)
{
    unsigned int instrument, kind;
    if (!PyArg_ParseTuple(args, "II:position", &instrument, &kind)) {
        return NULL;
    }
    Lane *lane = lane_of(self, instrument, kind);
    return lane ? PyLong_FromUnsignedLongLong(lane->position) : NULL;
}

static PyObject *
lanes_close_method(HnLanes *self, PyObject *Py_UNUSED(none))
{
    lanes_close(self);
    Py_RETURN_NONE;
}

static PyMethodDef lanes_methods[] = {
    {"put", (PyCFunction)(void (*)(void))lanes_put, METH_FASTCALL,
     "Put a row that nobody sees yet: its facts, packed."},
    {"publish", (PyCFunction)lanes_publish, METH_NOARGS,
     "Make all rows put so far visible; whether there were any."},
    {"position", (PyCFunction)lanes_position, METH_VARARGS, "Of the next row of a lane."},
    {"close", (PyCFunction)lanes_close_method, METH_NOARGS, "Let go of the segment."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HnLanes_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Lanes",
    .tp_basicsize = sizeof(HnLanes),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The lanes of a segment as its writer sees them.",
    .tp_new = lanes_new,
    .tp_dealloc = (destructor)lanes_dealloc,
    .tp_methods = lanes_methods,
};

int
hn_add_ring(PyObject *module)
{
    if (hn_add_crc32(module) < 0 || hn_add_reader(module) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &HnLanes_Type);
}
