/* The way of a frame up to a stage, for measurement alone: the same functions that the fast path
 * calls, over the same bytes, without what comes behind them. What a stage costs is the difference
 * to the one before it. hunter/bench/stages.py is the only caller.
 */
#include "kernel.h"

#include <string.h>

/* How far a pass goes. */
enum { TO_FRAME, TO_DECODE, TO_BOOK, DEPTHS };

#define TRADES_MAX 64 /* as the fast path has it */
#define FRAME_BYTES_MAX (4u << 20)

typedef struct {
    HnTrade trades[TRADES_MAX];
    HnTicker ticker;
    HnBookMessage message;
    HnTop top;
    HnLevel levels[2 * HN_BOOK_LEVELS];
} Room;

static bool
is_channel(HnText channel, const char *name)
{
    return channel.length == strlen(name) && memcmp(channel.start, name, channel.length) == 0;
}

/* Merged and looked at, as an update that follows on is; false: it is not to be merged. -1 without
 * memory. */
static int
keep_book(HnBookState *book, Room *room)
{
    HnTop *top = &room->top;
    const HnBookMessage *message = &room->message;
    int bid_count, ask_count;
    if (book->bid_count + message->bid_count > HN_BOOK_LEVELS_MAX
        || book->ask_count + message->ask_count > HN_BOOK_LEVELS_MAX
        || hn_book_would_cross(book, message)) {
        return 0;
    }
    if (hn_book_merge(book, false, message->bids, message->bid_count) < 0
        || hn_book_merge(book, true, message->asks, message->ask_count) < 0) {
        return -1;
    }
    hn_book_top(book, HN_KEPT_LEVELS, top->bids, &top->bid_count, top->asks, &top->ask_count);
    hn_book_top(book, HN_BOOK_LEVELS, room->levels, &bid_count, room->levels + HN_BOOK_LEVELS,
                &ask_count);
    return 1;
}

/* One payload; whether all that was asked for could be done with it, -1 without memory. */
static int
go_through(HnText payload, int depth, HnBookState *book, Room *room)
{
    HnEnvelope envelope;
    if (depth == TO_FRAME) {
        return 1;
    }
    if (!hn_json_envelope(payload.start, payload.length, &envelope)) {
        return 0;
    }
    if (is_channel(envelope.channel, "trades")) {
        return hn_json_trades(envelope.data, room->trades, TRADES_MAX) > 0;
    }
    if (is_channel(envelope.channel, "tickers")) {
        return hn_json_ticker(envelope.data, &room->ticker);
    }
    if (!hn_json_book(envelope.data, &room->message)) {
        return 0;
    }
    return depth == TO_BOOK && is_channel(envelope.channel, "books") ? keep_book(book, room) : 1;
}

static PyObject *
kernel_pass(PyObject *module, PyObject *args)
{
    Py_buffer data;
    PyObject *given;
    HnText payload;
    const char *at, *end, *next;
    Room *room;
    long done = 0;
    int depth, outcome = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*iO!:pass_to", &data, &depth, &HnBookState_Type, &given)) {
        return NULL;
    }
    room = PyMem_Malloc(sizeof *room);
    if (room == NULL || depth < 0 || depth >= DEPTHS) {
        PyMem_Free(room);
        PyBuffer_Release(&data);
        return room == NULL ? PyErr_NoMemory()
                            : PyErr_Format(PyExc_ValueError, "there is no stage %d", depth);
    }
    at = data.buf;
    end = at + data.len;
    while (at < end && outcome >= 0
           && hn_frame(at, end, FRAME_BYTES_MAX, &payload, &next) == HN_FRAME_PLAIN) {
        outcome = go_through(payload, depth, (HnBookState *)given, room);
        done += outcome > 0;
        at = next;
    }
    PyMem_Free(room);
    PyBuffer_Release(&data);
    return outcome < 0 ? PyErr_NoMemory() : PyLong_FromLong(done);
}

static PyMethodDef stages_methods[] = {
    {"pass_to", kernel_pass, METH_VARARGS,
     "pass_to(frames, stage, book) -> how many frames got there. Stages: TO_FRAME, TO_DECODE, "
     "TO_BOOK; updates are merged into the book."},
    {NULL, NULL, 0, NULL},
};

int
hn_add_stages(PyObject *module)
{
    return PyModule_AddFunctions(module, stages_methods) < 0
                   || PyModule_AddIntConstant(module, "TO_FRAME", TO_FRAME) < 0
                   || PyModule_AddIntConstant(module, "TO_DECODE", TO_DECODE) < 0
                   || PyModule_AddIntConstant(module, "TO_BOOK", TO_BOOK) < 0
               ? -1
               : 0;
}
