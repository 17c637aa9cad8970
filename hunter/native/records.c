/* The small records that Python and C both count in. Python's twins have the same fields. */
#include "kernel.h"
#include <stddef.h>
#include <structmember.h>

_Static_assert(sizeof(long long) == sizeof(int64_t), "members are read as long long");

#define COUNTER(type, field, doc) {#field, T_LONGLONG, offsetof(type, field), 0, doc}
#define NUMBER(type, field, doc) {#field, T_DOUBLE, offsetof(type, field), 0, doc}
#define END_OF_MEMBERS {NULL, 0, 0, 0, NULL}

static bool
takes_nothing(PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0)) {
        return true;
    }
    PyErr_SetString(PyExc_TypeError, "takes no arguments");
    return false;
}

static void
plain_dealloc(PyObject *self)
{
    Py_TYPE(self)->tp_free(self);
}

/* ---- ChainTail ---- */

static PyObject *
chain_tail_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!takes_nothing(args, kwargs)) {
        return NULL;
    }
    HnChainTail *self = (HnChainTail *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->end = -1;
    }
    return (PyObject *)self;
}

static PyMemberDef chain_tail_members[] = {
    COUNTER(HnChainTail, end, "newest match while rows may simply follow it; else -1"),
    COUNTER(HnChainTail, newest_ts_ns, "exchange time"),
    COUNTER(HnChainTail, row_count, NULL),
    COUNTER(HnChainTail, match_count, NULL),
    COUNTER(HnChainTail, last_count, "of the newest row; 0: there is none"),
    NUMBER(HnChainTail, last_price, NULL),
    NUMBER(HnChainTail, last_size, NULL),
    END_OF_MEMBERS,
};

PyTypeObject HnChainTail_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.ChainTail",
    .tp_doc = "Where a chain of matches ends.",
    .tp_basicsize = sizeof(HnChainTail),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = chain_tail_new,
    .tp_dealloc = plain_dealloc,
    .tp_members = chain_tail_members,
};

/* ---- Tally ---- */

static PyObject *
tally_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lag", NULL};
    PyObject *lag;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Tally", names, &lag)) {
        return NULL;
    }
    HnTally *self = (HnTally *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(lag, &self->lag, PyBUF_CONTIG) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (self->lag.len != (Py_ssize_t)(HN_HISTOGRAM_COUNTERS * sizeof(uint64_t))
        || (uintptr_t)self->lag.buf % _Alignof(uint64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "lag is not an aligned buffer of 960 uint64");
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
tally_dealloc(PyObject *self)
{
    PyBuffer_Release(&((HnTally *)self)->lag);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef tally_members[] = {
    COUNTER(HnTally, messages, NULL),
    COUNTER(HnTally, last_data_ns, "monotonic"),
    COUNTER(HnTally, last_exchange_ts_ns, NULL),
    END_OF_MEMBERS,
};

PyTypeObject HnTally_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Tally",
    .tp_doc = "What every push of one channel of one instrument changes.",
    .tp_basicsize = sizeof(HnTally),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = tally_new,
    .tp_dealloc = tally_dealloc,
    .tp_members = tally_members,
};

/* ---- Heard ---- */

static PyObject *
heard_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return takes_nothing(args, kwargs) ? type->tp_alloc(type, 0) : NULL;
}

static PyMemberDef heard_members[] = {
    COUNTER(HnHeard, heard_ns, "last data or acknowledgement, monotonic"),
    COUNTER(HnHeard, data_count, NULL),
    END_OF_MEMBERS,
};

PyTypeObject HnHeard_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Heard",
    .tp_doc = "What every push of a subscription changes in its session.",
    .tp_basicsize = sizeof(HnHeard),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = heard_new,
    .tp_dealloc = plain_dealloc,
    .tp_members = heard_members,
};

/* ---- the histogram's counters ---- */

void
hn_histogram_record(uint64_t *counters, int64_t value)
{
    int index;
    if (value < 1 << HN_HISTOGRAM_SUB_BITS) {
        index = value > 0 ? (int)value : 0;
    }
    else {
        int bits = 64 - __builtin_clzll((unsigned long long)value);
        int shift = bits - HN_HISTOGRAM_SUB_BITS - 1;
        int within = (int)(value >> shift) & ((1 << HN_HISTOGRAM_SUB_BITS) - 1);
        index = ((shift + 1) << HN_HISTOGRAM_SUB_BITS) + within;
        if (index >= HN_HISTOGRAM_COUNTERS) {
            index = HN_HISTOGRAM_COUNTERS - 1;
        }
    }
    counters[index]++;
}

static PyObject *
records_histogram_record(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer counters;
    long long value;
    if (!PyArg_ParseTuple(args, "w*L:histogram_record", &counters, &value)) {
        return NULL;
    }
    bool fits = counters.len == (Py_ssize_t)(HN_HISTOGRAM_COUNTERS * sizeof(uint64_t))
                && (uintptr_t)counters.buf % _Alignof(uint64_t) == 0;
    if (fits) {
        hn_histogram_record(counters.buf, value);
    }
    PyBuffer_Release(&counters);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "not an aligned buffer of 960 uint64");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef records_functions[] = {
    {"histogram_record", records_histogram_record, METH_VARARGS,
     "Count a value in a histogram's buffer."},
    {NULL, NULL, 0, NULL},
};

int
hn_add_records(PyObject *module)
{
    if (PyModule_AddFunctions(module, records_functions) < 0
        || PyModule_AddType(module, &HnChainTail_Type) < 0
        || PyModule_AddType(module, &HnTally_Type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &HnHeard_Type);
}
