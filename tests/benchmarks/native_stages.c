/* Times the stages of hunter/native alone, without Python around each call; see bench_native.py,
 * which compiles this together with the files that it includes. */
#include "../../hunter/native/frames.c"
#include "../../hunter/native/json.c"
#include "../../hunter/native/book.c"

#include <time.h>

#define FRAMES_MAX 4096
#define TRADES_MAX 64

static int64_t
cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static HnText texts[FRAMES_MAX];
static HnBookMessage messages[FRAMES_MAX / 8];

static Py_ssize_t
load(PyObject *list, Py_ssize_t count_max)
{
    Py_ssize_t count = PyList_Size(list), length;
    if (count > count_max) {
        PyErr_SetString(PyExc_ValueError, "too many frames");
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        char *start;
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, index), &start, &length) < 0) {
            return -1;
        }
        texts[index] = (HnText){start, (size_t)length};
    }
    return count;
}

/* How many of the texts a stage took. */
static int
take_all(const char *stage, Py_ssize_t count)
{
    static HnBookMessage book;
    HnTrade trades[TRADES_MAX];
    HnTicker ticker;
    HnEnvelope envelope;
    HnText payload;
    const char *next;
    int taken = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        HnText text = texts[index];
        const char *end = text.start + text.length;
        if (stage[0] == 'f') {
            taken += hn_frame(text.start, end, 1 << 20, &payload, &next) == HN_FRAME_PLAIN;
            continue;
        }
        if (!hn_json_envelope(text.start, text.length, &envelope)) {
            continue;
        }
        switch (stage[0]) {
        case 'e': taken++; break;
        case 't': taken += hn_json_trades(envelope.data, trades, TRADES_MAX) > 0; break;
        case 'q': taken += hn_json_ticker(envelope.data, &ticker); break;
        case 'b': taken += hn_json_book(envelope.data, &book); break;
        }
    }
    return taken;
}

/* (ns a text, how many of them were taken) */
static PyObject *
decode(PyObject *module, PyObject *args)
{
    const char *stage;
    PyObject *list;
    int rounds, taken = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "sOi", &stage, &list, &rounds)) {
        return NULL;
    }
    Py_ssize_t count = load(list, FRAMES_MAX);
    if (count < 0) {
        return NULL;
    }
    int64_t began = cpu_ns();
    for (int round = 0; round < rounds; round++) {
        taken = take_all(stage, count);
    }
    return Py_BuildValue("di", (double)(cpu_ns() - began) / rounds / (double)count, taken);
}

/* ns a message merged into a book */
static PyObject *
merge(PyObject *module, PyObject *args)
{
    PyObject *object, *list;
    int rounds;
    HnEnvelope envelope;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!Oi", &HnBookState_Type, &object, &list, &rounds)) {
        return NULL;
    }
    HnBookState *book = (HnBookState *)object;
    Py_ssize_t count = load(list, FRAMES_MAX / 8);
    if (count < 0) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (!hn_json_envelope(texts[index].start, texts[index].length, &envelope)
            || !hn_json_book(envelope.data, &messages[index])) {
            PyErr_SetString(PyExc_ValueError, "not a book");
            return NULL;
        }
    }
    int64_t began = cpu_ns();
    int crossed = 0;
    for (int round = 0; round < rounds; round++) {
        for (Py_ssize_t index = 0; index < count; index++) {
            const HnBookMessage *message = &messages[index];
            crossed += hn_book_would_cross(book, message);
            if (hn_book_merge(book, false, message->bids, message->bid_count) < 0
                || hn_book_merge(book, true, message->asks, message->ask_count) < 0) {
                return PyErr_NoMemory();
            }
        }
    }
    double ns = (double)(cpu_ns() - began) / rounds / (double)count;
    return Py_BuildValue("di", ns, crossed);
}

static PyMethodDef functions[] = {
    {"decode", decode, METH_VARARGS, NULL},
    {"merge", merge, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "native_stages", .m_size = -1, .m_methods = functions,
};

PyMODINIT_FUNC
PyInit_native_stages(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && hn_add_book(module) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
