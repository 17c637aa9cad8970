/* WebSocket frames as a server sends them (RFC 6455, 5.2). Only what nearly every frame is: final,
 * text, not masked, not compressed. Everything else, also what no server may send, is OTHER, and
 * the library that Python keeps for it decides. */
#include "kernel.h"

#define FINAL_TEXT 0x81
#define MASKED 0x80
#define LENGTH_16 126
#define LENGTH_64 127

int
hn_frame(const char *at, const char *end, size_t length_max, HnText *payload, const char **next)
{
    const unsigned char *bytes = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (left == 0) {
        return HN_FRAME_INCOMPLETE;
    }
    if (bytes[0] != FINAL_TEXT) {
        return HN_FRAME_OTHER;
    }
    if (left == 1) {
        return HN_FRAME_INCOMPLETE;
    }
    size_t header = 2;
    uint64_t length = bytes[1];
    if (length & MASKED) {
        return HN_FRAME_OTHER;
    }
    if (length >= LENGTH_16) {
        size_t length_bytes = length == LENGTH_16 ? 2 : 8;
        /* A length that would have fitted into fewer bytes is against the RFC. */
        uint64_t length_min = length == LENGTH_16 ? LENGTH_16 : 0x10000;
        header += length_bytes;
        if (left < header) {
            return HN_FRAME_INCOMPLETE;
        }
        length = 0;
        for (size_t index = 2; index < header; index++) {
            length = length << 8 | bytes[index];
        }
        if (length < length_min || length >> 63) {
            return HN_FRAME_OTHER;
        }
    }
    if (length > length_max) {
        return HN_FRAME_OTHER;
    }
    if (left - header < length) {
        return HN_FRAME_INCOMPLETE;
    }
    payload->start = at + header;
    payload->length = (size_t)length;
    *next = payload->start + payload->length;
    return HN_FRAME_PLAIN;
}

static PyObject *
frames_frame(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer bytes;
    Py_ssize_t offset, length_max;
    if (!PyArg_ParseTuple(args, "y*nn:frame", &bytes, &offset, &length_max)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (offset < 0 || offset > bytes.len || length_max < 0) {
        PyErr_SetString(PyExc_ValueError, "offset or length_max out of range");
    }
    else {
        const char *start = bytes.buf, *next = NULL;
        HnText payload = {NULL, 0};
        int kind = hn_frame(start + offset, start + bytes.len, (size_t)length_max, &payload, &next);
        if (kind == HN_FRAME_PLAIN) {
            result = Py_BuildValue("iy#n", kind, payload.start, (Py_ssize_t)payload.length,
                                   (Py_ssize_t)(next - start));
        }
        else {
            result = Py_BuildValue("iOO", kind, Py_None, Py_None);
        }
    }
    PyBuffer_Release(&bytes);
    return result;
}

static PyMethodDef frames_functions[] = {
    {"frame", frames_frame, METH_VARARGS,
     "(kind, payload, next offset) of the frame at an offset; kind 0 plain, 1 incomplete, 2 other"},
    {NULL, NULL, 0, NULL},
};

int
hn_add_frames(PyObject *module)
{
    return PyModule_AddFunctions(module, frames_functions);
}
