/* JSON as the exchange sends it: objects of known keys, numbers in strings, no escapes.
 *
 * What is taken here is a small part of what Python's decoders take, with the same values; all else
 * is declined, which costs no more than a second look by Python. The bounds are those of
 * hunter.exchange.okx.messages and rows. `end` is never read, and nothing behind it. */
#include "kernel.h"
#include <float.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "keys are compared as little-endian words"
#endif
#if FLT_EVAL_METHOD != 0
#error "decimal numbers are made by one division of doubles, rounded once"
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

#define MILLISECONDS_MAX (INT64_MAX / 1000000)
#define NS_PER_MS 1000000
#define PRICE_LIMIT 1e18 /* Price, Size and TradeSize are below it */
#define COUNT_MAX 65535
#define SOURCE_MAX 127
/* 19 digits fit into 64 bits whatever they are. */
#define DIGITS_MAX 19
#define SLOW_DIGITS_MAX 60
/* Up to here every whole number is a double, and so is every power of ten up to 10^22: one division
 * of two exact doubles is rounded as the decimal number itself would be (Clinger, 1990). */
#define EXACT_MAX ((uint64_t)1 << 53)

typedef struct {
    const char *at;
    const char *end;
} Cursor;

static const double powers_of_ten[DIGITS_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
};

/* ---- bytes ---- */

ALWAYS_INLINE char
peek(const Cursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

ALWAYS_INLINE bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

ALWAYS_INLINE void
skip_space(Cursor *cursor)
{
    while (cursor->at < cursor->end && is_space(*cursor->at)) {
        cursor->at++;
    }
}

ALWAYS_INLINE bool
take(Cursor *cursor, char wanted)
{
    if (LIKELY(cursor->at < cursor->end && *cursor->at == wanted)) {
        cursor->at++;
        return true;
    }
    return false;
}

/* The high bit of each byte that ends a plain string: a quote, a backslash, a control byte, or one
 * beyond ASCII. A borrow may mark bytes above the first one marked; only the first one is used. */
ALWAYS_INLINE uint64_t
marks_of_ends(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
    uint64_t found = (bytes - ones * 0x20) & ~bytes;
    found |= (quote - ones) & ~quote;
    found |= (backslash - ones) & ~backslash;
    return (found | bytes) & highs;
}

/* A whole string of plain ASCII, quotes and all. `word`: its first eight bytes, zero beyond it. */
ALWAYS_INLINE bool
read_string(Cursor *cursor, HnText *text, uint64_t *word)
{
    if (!take(cursor, '"')) {
        return false;
    }
    const char *start = cursor->at, *at = start;
    uint64_t first = 0;
    bool at_start = true;
    while (LIKELY(cursor->end - at >= 8)) {
        uint64_t bytes, marks;
        memcpy(&bytes, at, 8);
        marks = marks_of_ends(bytes);
        if (marks == 0) {
            first = at_start ? bytes : first;
            at_start = false;
            at += 8;
            continue;
        }
        unsigned bits = (unsigned)__builtin_ctzll(marks) & ~7u;
        if (at_start) {
            first = bytes & (((uint64_t)1 << bits) - 1);
        }
        at += bits / 8;
        goto ended;
    }
    for (; at < cursor->end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) {
            break;
        }
        if (at_start) {
            first |= (uint64_t)c << 8 * (at - start);
        }
    }
ended:
    if (at >= cursor->end || *at != '"') {
        return false;
    }
    text->start = start;
    text->length = (size_t)(at - start);
    *word = first;
    cursor->at = at + 1;
    return true;
}

/* A string, a number without an exponent, true, false or null. Python's decoder looks at what it
 * skips too, so this is no more generous. */
ALWAYS_INLINE bool
skip_plain(Cursor *cursor)
{
    HnText text;
    uint64_t word;
    char c = peek(cursor);
    if (LIKELY(c == '"')) {
        return read_string(cursor, &text, &word);
    }
    const char *literal = c == 't' ? "true" : c == 'f' ? "false" : c == 'n' ? "null" : NULL;
    if (literal != NULL) {
        size_t length = strlen(literal);
        if ((size_t)(cursor->end - cursor->at) < length
            || memcmp(cursor->at, literal, length) != 0) {
            return false;
        }
        cursor->at += length;
        return true;
    }
    take(cursor, '-');
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        cursor->at++;
    }
    if (cursor->at == start || (*start == '0' && cursor->at - start > 1)) {
        return false;
    }
    if (take(cursor, '.')) {
        start = cursor->at;
        while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
            cursor->at++;
        }
        return cursor->at > start;
    }
    return true;
}

/* ---- numbers ---- */

/* More digits than one division can be trusted with: by Python's own conversion. */
static bool
slow_decimal(const char *start, size_t length, double *out)
{
    char text[SLOW_DIGITS_MAX + 1];
    if (length > SLOW_DIGITS_MAX) {
        return false;
    }
    memcpy(text, start, length);
    text[length] = '\0';
    double value = PyOS_string_to_double(text, NULL, NULL);
    if (value == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    *out = value;
    return true;
}

/* digits[.digits] without leading zeros, then the quote that closes the string. */
ALWAYS_INLINE bool
read_decimal(Cursor *cursor, double *out)
{
    const char *start = cursor->at, *at = start, *end = cursor->end;
    uint64_t digits = 0;
    unsigned digit;
    while (at < end && (digit = (unsigned char)*at - (unsigned)'0') < 10) {
        digits = digits * 10 + digit; /* may wrap: then there are too many, see below */
        at++;
    }
    size_t count = (size_t)(at - start), fraction_count = 0;
    if (count == 0 || (*start == '0' && count > 1)) {
        return false;
    }
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && (digit = (unsigned char)*at - (unsigned)'0') < 10) {
            digits = digits * 10 + digit;
            at++;
        }
        fraction_count = (size_t)(at - fraction);
        count += fraction_count;
        if (fraction_count == 0) {
            return false;
        }
    }
    if (at >= end || *at != '"') {
        return false;
    }
    cursor->at = at + 1;
    if (LIKELY(count <= DIGITS_MAX && digits <= EXACT_MAX)) {
        *out = (double)digits / powers_of_ten[fraction_count];
        return true;
    }
    return slow_decimal(start, (size_t)(at - start), out);
}

/* Above zero; `or_zero` admits zero as well. */
ALWAYS_INLINE bool
read_amount(Cursor *cursor, bool or_zero, double *out)
{
    return take(cursor, '"') && read_decimal(cursor, out) && *out < PRICE_LIMIT
           && (or_zero || *out > 0.0);
}

/* A whole number >= 0 without leading zeros, in a string or not; what may follow one that is not
 * is looked at by who goes on reading. */
ALWAYS_INLINE bool
read_whole(Cursor *cursor, int64_t value_max, int64_t *out)
{
    bool quoted = take(cursor, '"');
    const char *start = cursor->at, *at = start, *end = cursor->end;
    uint64_t value = 0;
    unsigned digit;
    while (at < end && (digit = (unsigned char)*at - (unsigned)'0') < 10) {
        value = value * 10 + digit;
        at++;
    }
    size_t count = (size_t)(at - start);
    cursor->at = at;
    if (count == 0 || count > DIGITS_MAX || (*start == '0' && count > 1)
        || value > (uint64_t)value_max) {
        return false;
    }
    *out = (int64_t)value;
    return !quoted || take(cursor, '"');
}

/* A sequence id: -1 (none) as well. */
ALWAYS_INLINE bool
read_sequence(Cursor *cursor, int64_t *out)
{
    static const char none[] = "-1";
    if (cursor->end - cursor->at > 2 && memcmp(cursor->at, none, 2) == 0) {
        cursor->at += 2;
        *out = HN_NO_SEQUENCE;
        return true;
    }
    return read_whole(cursor, INT64_MAX, out);
}

ALWAYS_INLINE bool
read_time_ns(Cursor *cursor, int64_t *out)
{
    int64_t ms;
    if (!read_whole(cursor, MILLISECONDS_MAX, &ms) || ms < 1) {
        return false;
    }
    *out = ms * NS_PER_MS;
    return true;
}

/* ---- objects ---- */

typedef struct {
    HnText text;
    uint64_t word; /* its first eight bytes */
} Key;

ALWAYS_INLINE bool
is_key(const Key *key, const char *name, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, name, length < 8 ? length : 8);
    return key->word == word && key->text.length == length
           && (length <= 8 || memcmp(key->text.start + 8, name + 8, length - 8) == 0);
}

#define IS(key, name) is_key(&(key), name, sizeof(name) - 1)

/* Up to the value. */
ALWAYS_INLINE bool
read_key(Cursor *cursor, Key *key)
{
    if (!read_string(cursor, &key->text, &key->word)) {
        return false;
    }
    skip_space(cursor);
    if (!take(cursor, ':')) {
        return false;
    }
    skip_space(cursor);
    return true;
}

enum { MORE, CLOSED, WRONG };

/* After an element of an object or list: a comma, and then there is one more, or its end. */
ALWAYS_INLINE int
read_separator(Cursor *cursor, char close)
{
    skip_space(cursor);
    if (take(cursor, ',')) {
        skip_space(cursor);
        return MORE;
    }
    return take(cursor, close) ? CLOSED : WRONG;
}

/* Opens a list or object, or closes an empty one. */
ALWAYS_INLINE int
read_opening(Cursor *cursor, char open, char close)
{
    if (!take(cursor, open)) {
        return WRONG;
    }
    skip_space(cursor);
    return take(cursor, close) ? CLOSED : MORE;
}

/* A key that comes twice means its last value in Python; here it means that something is odd. */
ALWAYS_INLINE bool
is_first(unsigned *seen, unsigned field)
{
    bool first = !(*seen & field);
    *seen |= field;
    return first;
}

/* ---- envelope ---- */

enum { ARG = 1, ACTION = 2, DATA = 4, CHANNEL = 8, INST_ID = 16, INST_TYPE = 32 };

static bool
read_arg(Cursor *cursor, HnEnvelope *out)
{
    unsigned seen = 0;
    uint64_t word;
    HnText inst_type;
    int state = read_opening(cursor, '{', '}');
    while (state == MORE) {
        Key key;
        bool fine;
        if (!read_key(cursor, &key)) {
            return false;
        }
        if (IS(key, "channel")) {
            fine = is_first(&seen, CHANNEL) && read_string(cursor, &out->channel, &word);
        }
        else if (IS(key, "instId")) {
            fine = is_first(&seen, INST_ID) && read_string(cursor, &out->inst_id, &word);
        }
        else if (IS(key, "instType")) {
            fine = is_first(&seen, INST_TYPE) && read_string(cursor, &inst_type, &word);
        }
        else {
            fine = skip_plain(cursor);
        }
        if (!fine) {
            return false;
        }
        state = read_separator(cursor, '}');
    }
    return state == CLOSED && seen & CHANNEL && seen & INST_ID;
}

/* The list from `cursor` to the bracket that closes it, by counting brackets; who reads the list
 * sees whether they match. */
static bool
find_list_end(Cursor *cursor)
{
    int depth = 0;
    HnText text;
    uint64_t word;
    while (cursor->at < cursor->end) {
        char c = *cursor->at;
        if (c == '"') {
            if (!read_string(cursor, &text, &word)) {
                return false;
            }
            continue;
        }
        cursor->at++;
        if (c == '[' || c == '{') {
            depth++;
        }
        else if ((c == ']' || c == '}') && --depth == 0) {
            return c == ']';
        }
    }
    return false;
}

/* As a rule the list is the last of the frame, and its end is found from there. If that was wrong,
 * what is taken for the list is none, and who reads it declines. */
static bool
read_data(Cursor *cursor, HnText *out)
{
    const char *start = cursor->at, *last = cursor->end - 1;
    if (peek(cursor) != '[') {
        return false;
    }
    /* `end` is behind the brace that closes the frame. */
    while (last - 1 > start && is_space(last[-1])) {
        last--;
    }
    if (last - 1 > start && last[-1] == ']') {
        cursor->at = last;
    }
    else if (!find_list_end(cursor)) {
        return false;
    }
    out->start = start;
    out->length = (size_t)(cursor->at - start);
    return true;
}

/* Answers and announcements have these, data have none; what they are is Python's to say. */
static bool
is_of_an_event(const Key *key)
{
    return IS(*key, "event") || IS(*key, "code") || IS(*key, "msg") || IS(*key, "connId")
           || IS(*key, "id");
}

bool
hn_json_envelope(const char *text, size_t length, HnEnvelope *out)
{
    Cursor cursor = {text, text + length};
    unsigned seen = 0;
    uint64_t word;
    memset(out, 0, sizeof *out);
    while (cursor.end > text && is_space(cursor.end[-1])) {
        cursor.end--;
    }
    skip_space(&cursor);
    if (cursor.end - cursor.at < 2 || cursor.end[-1] != '}') {
        return false;
    }
    int state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        Key key;
        bool fine;
        if (!read_key(&cursor, &key)) {
            return false;
        }
        if (IS(key, "arg")) {
            fine = is_first(&seen, ARG) && read_arg(&cursor, out);
        }
        else if (IS(key, "data")) {
            fine = is_first(&seen, DATA) && read_data(&cursor, &out->data);
        }
        else if (IS(key, "action")) {
            fine = is_first(&seen, ACTION) && read_string(&cursor, &out->action, &word);
        }
        else {
            fine = !is_of_an_event(&key) && skip_plain(&cursor);
        }
        if (!fine) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && cursor.at == cursor.end && seen & ARG && seen & DATA;
}

/* ---- trades ---- */

enum { TRADE_ID = 1, PX = 2, SZ = 4, SIDE = 8, TS = 16, COUNT = 32, SEQ_ID = 64, SOURCE = 128 };
#define TRADE_NEEDS (TRADE_ID | PX | SZ | SIDE | TS)

static bool
read_side(Cursor *cursor, int8_t *out)
{
    Key side;
    if (!read_string(cursor, &side.text, &side.word)) {
        return false;
    }
    *out = IS(side, "buy") ? 1 : -1;
    return *out == 1 || IS(side, "sell");
}

/* The value of one key; what is not known is skipped. */
ALWAYS_INLINE bool
read_trade_field(Cursor *cursor, const Key *key, unsigned *seen, HnTrade *out)
{
    int64_t number;
    if (IS(*key, "tradeId")) {
        return is_first(seen, TRADE_ID) && read_whole(cursor, INT64_MAX, &out->trade_id);
    }
    if (IS(*key, "px")) {
        return is_first(seen, PX) && read_amount(cursor, false, &out->price);
    }
    if (IS(*key, "sz")) {
        return is_first(seen, SZ) && read_amount(cursor, false, &out->size);
    }
    if (IS(*key, "side")) {
        return is_first(seen, SIDE) && read_side(cursor, &out->side);
    }
    if (IS(*key, "ts")) {
        return is_first(seen, TS) && read_time_ns(cursor, &out->exchange_ts_ns);
    }
    if (IS(*key, "count")) {
        if (!is_first(seen, COUNT) || !read_whole(cursor, COUNT_MAX, &number) || number < 1) {
            return false;
        }
        out->count = (uint16_t)number;
        return true;
    }
    if (IS(*key, "seqId")) {
        return is_first(seen, SEQ_ID) && read_sequence(cursor, &out->seq_id);
    }
    if (IS(*key, "source")) {
        if (!is_first(seen, SOURCE) || !read_whole(cursor, SOURCE_MAX, &number)) {
            return false;
        }
        out->order_source = (int8_t)number;
        return true;
    }
    return skip_plain(cursor);
}

static bool
read_trade(Cursor *cursor, HnTrade *out)
{
    unsigned seen = 0;
    int state = read_opening(cursor, '{', '}');
    out->seq_id = HN_NO_SEQUENCE;
    out->count = 1;
    out->order_source = 0;
    while (state == MORE) {
        Key key;
        if (!read_key(cursor, &key) || !read_trade_field(cursor, &key, &seen, out)) {
            return false;
        }
        state = read_separator(cursor, '}');
    }
    return state == CLOSED && (seen & TRADE_NEEDS) == TRADE_NEEDS;
}

int
hn_json_trades(HnText data, HnTrade *out, int count_max)
{
    Cursor cursor = {data.start, data.start + data.length};
    int count = 0;
    int state = read_opening(&cursor, '[', ']');
    while (state == MORE) {
        if (count == count_max || !read_trade(&cursor, &out[count])) {
            return 0;
        }
        count++;
        state = read_separator(&cursor, ']');
    }
    return state == CLOSED && cursor.at == cursor.end ? count : 0;
}

/* ---- ticker ---- */

/* In the order of HnTicker.numbers; prices are above zero, sizes may be zero. */
enum { LAST, LAST_SZ, BID_PX, BID_SZ, ASK_PX, ASK_SZ, OPEN, HIGH, LOW, VOL, VOL_CCY, TICKER_TS };
#define TICKER_NEEDS (1u << LAST | 1u << BID_PX | 1u << ASK_PX | 1u << TICKER_TS)
#define TICKER_SIZES (1u << LAST_SZ | 1u << BID_SZ | 1u << ASK_SZ | 1u << VOL | 1u << VOL_CCY)

/* Which number a key names; -1 for others. */
ALWAYS_INLINE int
ticker_field(const Key *key)
{
    static const struct {
        const char *name;
        size_t length;
        int field;
    } fields[] = {
        {"last", 4, LAST},       {"lastSz", 6, LAST_SZ},  {"askPx", 5, ASK_PX},
        {"askSz", 5, ASK_SZ},    {"bidPx", 5, BID_PX},    {"bidSz", 5, BID_SZ},
        {"open24h", 7, OPEN},    {"high24h", 7, HIGH},    {"low24h", 6, LOW},
        {"vol24h", 6, VOL},      {"volCcy24h", 9, VOL_CCY}, {"ts", 2, TICKER_TS},
    };
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++) {
        if (is_key(key, fields[index].name, fields[index].length)) {
            return fields[index].field;
        }
    }
    return -1;
}

/* A number, or NaN for an empty string. */
static bool
read_ticker_number(Cursor *cursor, int field, double *out)
{
    if (!take(cursor, '"')) {
        return false;
    }
    if (take(cursor, '"')) {
        *out = Py_NAN;
        return true;
    }
    return read_decimal(cursor, out) && (TICKER_SIZES & 1u << field || *out > 0.0);
}

bool
hn_json_ticker(HnText data, HnTicker *out)
{
    Cursor cursor = {data.start, data.start + data.length};
    unsigned seen = 0;
    for (int field = 0; field < TICKER_TS; field++) {
        out->numbers[field] = Py_NAN;
    }
    if (read_opening(&cursor, '[', ']') != MORE) {
        return false;
    }
    int state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        Key key;
        bool fine;
        if (!read_key(&cursor, &key)) {
            return false;
        }
        int field = ticker_field(&key);
        if (field < 0) {
            fine = skip_plain(&cursor);
        }
        else if (field == TICKER_TS) {
            fine = is_first(&seen, 1u << field) && read_time_ns(&cursor, &out->exchange_ts_ns);
        }
        else {
            fine = is_first(&seen, 1u << field)
                   && read_ticker_number(&cursor, field, &out->numbers[field]);
        }
        if (!fine) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && (seen & TICKER_NEEDS) == TICKER_NEEDS
           && read_separator(&cursor, ']') == CLOSED && cursor.at == cursor.end;
}

/* ---- books ---- */

enum { ASKS = 1, BIDS = 2, BOOK_TS = 4, BOOK_SEQ_ID = 8, PREV_SEQ_ID = 16, CHECKSUM = 32 };
#define BOOK_NEEDS (ASKS | BIDS | BOOK_TS)

/* [price, size, ...]; what follows is skipped. */
ALWAYS_INLINE bool
read_level(Cursor *cursor, HnLevel *out)
{
    int state;
    if (read_opening(cursor, '[', ']') != MORE || !read_amount(cursor, false, &out->price)
        || read_separator(cursor, ']') != MORE || !read_amount(cursor, true, &out->size)) {
        return false;
    }
    while ((state = read_separator(cursor, ']')) == MORE) {
        if (!skip_plain(cursor)) {
            return false;
        }
    }
    return state == CLOSED;
}

static bool
read_levels(Cursor *cursor, HnLevel *levels, int *count)
{
    int state = read_opening(cursor, '[', ']');
    int found = 0;
    while (state == MORE) {
        if (found == HN_MESSAGE_LEVELS_MAX || !read_level(cursor, &levels[found])) {
            return false;
        }
        found++;
        state = read_separator(cursor, ']');
    }
    *count = found;
    return state == CLOSED;
}

static bool
read_book_field(Cursor *cursor, const Key *key, unsigned *seen, HnBookMessage *out)
{
    int64_t checksum;
    if (IS(*key, "asks")) {
        return is_first(seen, ASKS) && read_levels(cursor, out->asks, &out->ask_count);
    }
    if (IS(*key, "bids")) {
        return is_first(seen, BIDS) && read_levels(cursor, out->bids, &out->bid_count);
    }
    if (IS(*key, "ts")) {
        return is_first(seen, BOOK_TS) && read_time_ns(cursor, &out->exchange_ts_ns);
    }
    if (IS(*key, "seqId")) {
        return is_first(seen, BOOK_SEQ_ID) && read_sequence(cursor, &out->seq_id);
    }
    if (IS(*key, "prevSeqId")) {
        return is_first(seen, PREV_SEQ_ID) && read_sequence(cursor, &out->prev_seq_id);
    }
    if (IS(*key, "checksum")) {
        return is_first(seen, CHECKSUM) && read_whole(cursor, 0, &checksum);
    }
    return skip_plain(cursor);
}

bool
hn_json_book(HnText data, HnBookMessage *out)
{
    Cursor cursor = {data.start, data.start + data.length};
    unsigned seen = 0;
    out->seq_id = out->prev_seq_id = HN_NO_SEQUENCE;
    if (read_opening(&cursor, '[', ']') != MORE) {
        return false;
    }
    int state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        Key key;
        if (!read_key(&cursor, &key) || !read_book_field(&cursor, &key, &seen, out)) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && (seen & BOOK_NEEDS) == BOOK_NEEDS
           && read_separator(&cursor, ']') == CLOSED && cursor.at == cursor.end;
}

/* ---- for the tests: what was read as tuples, None when it was declined ---- */

/* The bytes themselves; under the address sanitizer a copy of exactly their length, because bytes
 * objects end in a NUL that nobody would miss. */
static bool
open_text(PyObject *bytes, HnText *text)
{
    char *start;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &start, &length) < 0) {
        return false;
    }
#ifdef __SANITIZE_ADDRESS__
    char *copy = malloc((size_t)length);
    if (copy == NULL && length > 0) {
        PyErr_NoMemory();
        return false;
    }
    if (length > 0) {
        memcpy(copy, start, (size_t)length);
    }
    start = copy;
#endif
    text->start = start;
    text->length = (size_t)length;
    return true;
}

static void
close_text(HnText *text)
{
#ifdef __SANITIZE_ADDRESS__
    free((char *)text->start);
#endif
    (void)text;
}

static PyObject *
text_or_none(const HnText *text)
{
    return text->length ? PyBytes_FromStringAndSize(text->start, (Py_ssize_t)text->length)
                        : Py_NewRef(Py_None);
}

static PyObject *
json_envelope(PyObject *module, PyObject *bytes)
{
    (void)module;
    HnText text;
    HnEnvelope found;
    PyObject *result;
    if (!open_text(bytes, &text)) {
        return NULL;
    }
    if (hn_json_envelope(text.start, text.length, &found)) {
        result = Py_BuildValue("NNNN", text_or_none(&found.channel), text_or_none(&found.inst_id),
                               text_or_none(&found.action), text_or_none(&found.data));
    }
    else {
        result = Py_NewRef(Py_None);
    }
    close_text(&text);
    return result;
}

static PyObject *
trade_tuple(const HnTrade *trade)
{
    return Py_BuildValue("LiddiLLi", (long long)trade->trade_id, (int)trade->count, trade->price,
                         trade->size, (int)trade->side, (long long)trade->exchange_ts_ns,
                         (long long)trade->seq_id, (int)trade->order_source);
}

#define TEST_TRADES_MAX 256

static PyObject *
json_trades(PyObject *module, PyObject *bytes)
{
    (void)module;
    HnText data;
    HnTrade trades[TEST_TRADES_MAX];
    if (!open_text(bytes, &data)) {
        return NULL;
    }
    int count = hn_json_trades(data, trades, TEST_TRADES_MAX);
    close_text(&data);
    if (count == 0) {
        Py_RETURN_NONE;
    }
    PyObject *rows = PyTuple_New(count);
    for (int index = 0; rows != NULL && index < count; index++) {
        PyObject *row = trade_tuple(&trades[index]);
        if (row == NULL) {
            Py_CLEAR(rows);
            break;
        }
        PyTuple_SET_ITEM(rows, index, row);
    }
    return rows;
}

static PyObject *
json_ticker(PyObject *module, PyObject *bytes)
{
    (void)module;
    HnText data;
    HnTicker ticker;
    if (!open_text(bytes, &data)) {
        return NULL;
    }
    bool taken = hn_json_ticker(data, &ticker);
    close_text(&data);
    if (!taken) {
        Py_RETURN_NONE;
    }
    const double *n = ticker.numbers;
    return Py_BuildValue("dddddddddddL", n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8],
                         n[9], n[10], (long long)ticker.exchange_ts_ns);
}

static PyObject *
levels_list(const HnLevel *levels, int count)
{
    PyObject *list = PyList_New(count);
    for (int index = 0; list != NULL && index < count; index++) {
        PyObject *level = Py_BuildValue("dd", levels[index].price, levels[index].size);
        if (level == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, index, level);
    }
    return list;
}

static PyObject *
json_book(PyObject *module, PyObject *bytes)
{
    (void)module;
    HnText data;
    HnBookMessage *book = PyMem_Malloc(sizeof *book);
    if (book == NULL) {
        return PyErr_NoMemory();
    }
    if (!open_text(bytes, &data)) {
        PyMem_Free(book);
        return NULL;
    }
    PyObject *result = NULL;
    if (hn_json_book(data, book)) {
        result = Py_BuildValue("NNLLL", levels_list(book->bids, book->bid_count),
                               levels_list(book->asks, book->ask_count), (long long)book->seq_id,
                               (long long)book->prev_seq_id, (long long)book->exchange_ts_ns);
    }
    else {
        result = Py_NewRef(Py_None);
    }
    close_text(&data);
    PyMem_Free(book);
    return result;
}

static PyMethodDef json_functions[] = {
    {"json_envelope", json_envelope, METH_O, "(channel, instId, action, data) or None"},
    {"json_trades", json_trades, METH_O, "the rows of a trades push, or None"},
    {"json_ticker", json_ticker, METH_O, "eleven numbers and the time, or None"},
    {"json_book", json_book, METH_O, "(bids, asks, seqId, prevSeqId, time), or None"},
    {NULL, NULL, 0, NULL},
};

int
hn_add_json(PyObject *module)
{
    return PyModule_AddFunctions(module, json_functions);
}
