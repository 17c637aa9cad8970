/* A segment's words, and one lane as its reader sees it: rows out, checked. The twins of a memoryview
 * (see hunter.ring.segment.Segment) and of what LaneReader.poll_bytes does when nothing is unusual;
 * ring.h says which order of loads they keep, and why.
 */
#include "kernel.h"
#include "ring.h"

#include <string.h>

typedef struct {
    PyObject_HEAD
    PyObject *plain; /* the memoryview of 8-byte words that it was made of; NULL: released */
    Py_buffer segment;
} HnWords;

typedef struct {
    PyObject_HEAD
    HnWords *words;
    HnWord *intent; /* head is the next word */
    const unsigned char *rows;
    uint64_t capacity;
    uint32_t row_bytes;
    const uint32_t *expected; /* hunter.ring.check: the CRC-32 of 0, 1, 2 ... sound rows */
} HnWindow;

static bool
is_open(const HnWords *words)
{
    if (!words->plain) {
        PyErr_SetString(PyExc_ValueError, "operation forbidden on released words");
        return false;
    }
    return true;
}

/* ---- words ---------------------------------------------------------------------------------- */

static PyObject *
words_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"plain", NULL};
    PyObject *plain;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Words", names, &plain)) {
        return NULL;
    }
    HnWords *self = (HnWords *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    if (hn_segment_open(plain, PyBUF_SIMPLE, &self->segment) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->plain = Py_NewRef(plain);
    return (PyObject *)self;
}

static void
words_let_go(HnWords *self)
{
    if (self->plain) {
        PyBuffer_Release(&self->segment);
        Py_CLEAR(self->plain);
    }
}

static void
words_dealloc(HnWords *self)
{
    words_let_go(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* NULL with an exception set when there is no such word. */
static HnWord *
word_at(const HnWords *self, PyObject *key)
{
    Py_ssize_t word = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if ((word == -1 && PyErr_Occurred()) || !is_open(self)) {
        return NULL;
    }
    if (word < 0 || word >= self->segment.len / (Py_ssize_t)sizeof(HnWord)) {
        PyErr_SetString(PyExc_IndexError, "no such word");
        return NULL;
    }
    return (HnWord *)self->segment.buf + word;
}

static PyObject *
words_load(HnWords *self, PyObject *key)
{
    if (PySlice_Check(key)) { /* for statistics: in no order */
        return is_open(self) ? PyObject_GetItem(self->plain, key) : NULL;
    }
    HnWord *word = word_at(self, key);
    if (!word) {
        return NULL;
    }
    /* after everything that was copied before, and before everything that will be */
    atomic_thread_fence(memory_order_acquire);
    return PyLong_FromUnsignedLongLong(atomic_load_explicit(word, memory_order_acquire));
}

static int
words_store(HnWords *self, PyObject *key, PyObject *value)
{
    if (PySlice_Check(key)) {
        if (!is_open(self)) {
            return -1;
        }
        if (!value) {
            PyErr_SetString(PyExc_TypeError, "words cannot be removed");
            return -1;
        }
        return PyObject_SetItem(self->plain, key, value);
    }
    HnWord *word = word_at(self, key);
    if (!word) {
        return -1;
    }
    if (self->segment.readonly || !value) {
        PyErr_SetString(PyExc_TypeError, "cannot modify read-only memory");
        return -1;
    }
    uint64_t number = PyLong_AsUnsignedLongLong(value);
    if (number == (uint64_t)-1 && PyErr_Occurred()) {
        return -1;
    }
    /* after everything that was stored before, and before everything that will be */
    atomic_store_explicit(word, number, memory_order_release);
    atomic_thread_fence(memory_order_release);
    return 0;
}

static PyObject *
words_release(HnWords *self, PyObject *Py_UNUSED(none))
{
    PyObject *plain = Py_XNewRef(self->plain);
    words_let_go(self);
    PyObject *done = plain ? PyObject_CallMethod(plain, "release", NULL) : Py_NewRef(Py_None);
    Py_XDECREF(plain);
    return done;
}

static PyMethodDef words_methods[] = {
    {"release", (PyCFunction)words_release, METH_NOARGS, "Let go of the segment."},
    {NULL, NULL, 0, NULL},
};

static PyMappingMethods words_mapping = {
    .mp_subscript = (binaryfunc)words_load,
    .mp_ass_subscript = (objobjargproc)words_store,
};

static PyTypeObject HnWords_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Words",
    .tp_basicsize = sizeof(HnWords),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A segment's words, loaded and stored whole and in order.",
    .tp_new = words_new,
    .tp_dealloc = (destructor)words_dealloc,
    .tp_methods = words_methods,
    .tp_as_mapping = &words_mapping,
};

/* ---- one lane ------------------------------------------------------------------------------- */

#define ROWS_PER_CHECK 256
#define ROW_BYTES_MAX 4096

/* What ROWS_PER_CHECK rows and less must come to, by the size of a row. */
static const uint32_t *
expected_for(uint32_t row_bytes)
{
    static uint32_t *known[ROW_BYTES_MAX / sizeof(HnWord) + 1];
    uint32_t **found = &known[row_bytes / sizeof(HnWord)];
    if (!*found) {
        unsigned char row[ROW_BYTES_MAX] = {0};
        uint32_t *made = PyMem_Malloc((ROWS_PER_CHECK + 1) * sizeof *made);
        if (!made) {
            PyErr_NoMemory();
            return NULL;
        }
        hn_row_seal(row, row_bytes);
        made[0] = 0;
        for (int count = 0; count < ROWS_PER_CHECK; count++) {
            made[count + 1] = hn_crc32(made[count], row, row_bytes);
        }
        *found = made;
    }
    return *found;
}

/* Whether these are the rows from `position` on: whole, and each in its place. */
static bool
are_sound(const HnWindow *self, const unsigned char *rows, uint64_t position, uint64_t count)
{
    while (count) {
        uint64_t some = count < ROWS_PER_CHECK ? count : ROWS_PER_CHECK;
        if (hn_crc32(0, rows, some * self->row_bytes) != self->expected[some]) {
            return false;
        }
        count -= some;
        for (; some; some--, rows += self->row_bytes) {
            uint64_t sequence;
            memcpy(&sequence, rows, sizeof sequence);
            if (sequence != ++position) {
                return false;
            }
        }
    }
    return true;
}

static bool
is_lapped(const HnWindow *self, uint64_t cursor, uint64_t intent)
{
    return intent > self->capacity && cursor < intent - self->capacity;
}

static void
copy(const HnWindow *self, unsigned char *to, uint64_t position, uint64_t count)
{
    uint64_t first = position & (self->capacity - 1);
    uint64_t run = count < self->capacity - first ? count : self->capacity - first;
    memcpy(to, self->rows + first * self->row_bytes, run * self->row_bytes);
    memcpy(to + run * self->row_bytes, self->rows, (count - run) * self->row_bytes);
}

/* The next rows, as a bytearray; None: something is unusual, and nothing has been decided. */
static PyObject *
window_take(HnWindow *self, PyObject *const *args, Py_ssize_t arg_count)
{
    if (arg_count != 2) {
        PyErr_SetString(PyExc_TypeError, "take(cursor, row_count_max)");
        return NULL;
    }
    uint64_t cursor = PyLong_AsUnsignedLongLong(args[0]);
    long long row_count_max = cursor == (uint64_t)-1 ? -1 : PyLong_AsLongLong(args[1]);
    if (PyErr_Occurred()) { /* not a position */
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    if (!is_open(self->words)) {
        return NULL;
    }
    uint64_t head = atomic_load_explicit(&self->intent[1], memory_order_acquire);
    if (head == cursor) {
        return PyByteArray_FromStringAndSize(NULL, 0);
    }
    uint64_t intent = atomic_load_explicit(&self->intent[0], memory_order_acquire);
    if (head < cursor || head > intent || is_lapped(self, cursor, intent) || row_count_max < 1) {
        Py_RETURN_NONE;
    }
    uint64_t count = head - cursor;
    if (count > (uint64_t)row_count_max) {
        count = (uint64_t)row_count_max;
    }
    PyObject *rows = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(count * self->row_bytes));
    if (!rows) {
        return NULL;
    }
    unsigned char *bytes = (unsigned char *)PyByteArray_AS_STRING(rows);
    copy(self, bytes, cursor, count);
    /* The second look: whatever the writer has begun to overwrite since is not to be believed. */
    atomic_thread_fence(memory_order_acquire);
    intent = atomic_load_explicit(&self->intent[0], memory_order_relaxed);
    if (is_lapped(self, cursor, intent) || !are_sound(self, bytes, cursor, count)) {
        Py_DECREF(rows);
        Py_RETURN_NONE;
    }
    return rows;
}

static PyObject *
window_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"words", "intent_word", "offset", "capacity", "row_bytes", NULL};
    HnWords *words;
    unsigned long long intent_word, offset, capacity, row_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!KKKK:Window", names, &HnWords_Type, &words,
                                     &intent_word, &offset, &capacity, &row_bytes)
        || !is_open(words)) {
        return NULL;
    }
    const unsigned char *rows = hn_segment_rows(&words->segment, offset, capacity, row_bytes);
    HnWord *intent = rows ? hn_segment_words(&words->segment, intent_word, 2) : NULL;
    const uint32_t *expected = intent ? expected_for((uint32_t)row_bytes) : NULL;
    HnWindow *self = expected ? (HnWindow *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->words = (HnWords *)Py_NewRef((PyObject *)words);
        self->intent = intent;
        self->rows = rows;
        self->capacity = capacity;
        self->row_bytes = (uint32_t)row_bytes;
        self->expected = expected;
    }
    return (PyObject *)self;
}

static void
window_dealloc(HnWindow *self)
{
    Py_XDECREF(self->words);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef window_methods[] = {
    {"take", (PyCFunction)(void (*)(void))window_take, METH_FASTCALL,
     "The next rows, as a bytearray; None: something is unusual, and nothing has been decided."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject HnWindow_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Window",
    .tp_basicsize = sizeof(HnWindow),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "One lane as its reader sees it.",
    .tp_new = window_new,
    .tp_dealloc = (destructor)window_dealloc,
    .tp_methods = window_methods,
};

int
hn_add_reader(PyObject *module)
{
    if (PyModule_AddType(module, &HnWords_Type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &HnWindow_Type);
}
