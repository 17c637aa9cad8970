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
    while (cursor->at < cursor->end && (unsigned char)*cursor->at <= ' '
           && is_space(*cursor->at)) {
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

/* A whole string of plain ASCII, quotes and all. */
ALWAYS_INLINE bool
read_string(Cursor *cursor, HnText *text)
{
    if (!take(cursor, '"')) {
        return false;
    }
    const char *start = cursor->at, *at = start;
    uint64_t marks = 0;
    while (LIKELY(cursor->end - at >= 8)) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        marks = marks_of_ends(bytes);
        if (LIKELY(marks != 0)) {
            at += __builtin_ctzll(marks) / 8;
            break;
        }
        at += 8;
    }
    while (marks == 0 && at < cursor->end) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) {
            break;
        }
        at++;
    }
    if (at >= cursor->end || *at != '"') {
        return false;
    }
    text->start = start;
    text->length = (size_t)(at - start);
    cursor->at = at + 1;
    return true;
}

/* ---- numbers ---- */

/* Eight digits, the first in the lowest byte, as a number: by pairs, fours, eights. */
ALWAYS_INLINE uint64_t
eight_digits(uint64_t digits)
{
    const uint64_t mask = 0x000000FF000000FFu;
    digits = digits * 10 + (digits >> 8);
    uint64_t high = (digits & mask) * (100 + (UINT64_C(1000000) << 32));
    uint64_t low = (digits >> 16 & mask) * (1 + (UINT64_C(10000) << 32));
    return (high + low) >> 32;
}

/* As many digits as there are; returns where they end. More than DIGITS_MAX of them wrap, which
 * whoever counts them sees. */
ALWAYS_INLINE const char *
read_digits(const char *at, const char *end, uint64_t *value)
{
    static const uint64_t powers[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (LIKELY(end - at >= 8)) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        bytes ^= ones * '0';
        /* The high bit of each byte that is more than 9; only the first one is exact. */
        uint64_t others = ((bytes + ones * (0x80 - 10)) | bytes) & highs;
        if (others == 0) {
            *value = *value * 100000000 + eight_digits(bytes);
            at += 8;
            continue;
        }
        unsigned count = (unsigned)__builtin_ctzll(others) / 8;
        if (LIKELY(count > 0)) {
            /* Zeros before them do not count. */
            *value = *value * powers[count] + eight_digits(bytes << (64 - 8 * count));
        }
        return at + count;
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        *value = *value * 10 + (uint64_t)(*at - '0');
    }
    return at;
}


/* A string, a number without an exponent, true, false or null. Python's decoder looks at what it
 * skips too, so this is no more generous. */
ALWAYS_INLINE bool
skip_plain(Cursor *cursor)
{
    HnText text;
    uint64_t digits = 0;
    char c = peek(cursor);
    if (LIKELY(c == '"')) {
        return read_string(cursor, &text);
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
    cursor->at = read_digits(start, cursor->end, &digits);
    if (cursor->at == start || (*start == '0' && cursor->at - start > 1)) {
        return false;
    }
    if (take(cursor, '.')) {
        start = cursor->at;
        cursor->at = read_digits(start, cursor->end, &digits);
        return cursor->at > start;
    }
    return true;
}

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
    const char *start = cursor->at, *end = cursor->end;
    uint64_t digits = 0;
    const char *at = read_digits(start, end, &digits);
    size_t count = (size_t)(at - start), fraction_count = 0;
    if (count == 0 || (*start == '0' && count > 1)) {
        return false;
    }
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = read_digits(fraction, end, &digits);
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
    const char *start = cursor->at;
    uint64_t value = 0;
    const char *at = read_digits(start, cursor->end, &value);
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

/* The keys of an object in the order in which the exchange sends them. Looked for where the last
 * one leads to expect it, a key costs two comparisons, and where the value begins does not have to
 * be computed from the bytes before it. */
typedef struct {
    char text[16]; /* with quotes and colon */
    uint64_t low;  /* which of its bytes count */
    uint64_t high;
    unsigned length;
    int field;
} Name;

#define MASK(count) \
    ((count) <= 0 ? 0 : (count) >= 8 ? UINT64_MAX : (UINT64_C(1) << ((count) & 7) * 8) - 1)
#define NAME(name, field) \
    {"\"" name "\":", MASK((int)sizeof(name) + 2), MASK((int)sizeof(name) - 6), \
     sizeof(name) + 2, field}

/* Keys that are not in the table. */
#define OTHER (-1)

typedef struct {
    const Name *names;
    int count;
    int expected;
} Keys;

#define KEYS(table) {table, sizeof(table) / sizeof *(table), 0}

/* By its text, wherever it stands. */
static int
find_field(Keys *keys, HnText key)
{
    for (int index = 0; index < keys->count; index++) {
        const Name *name = &keys->names[index];
        if (key.length + 3 == name->length && memcmp(key.start, name->text + 1, key.length) == 0) {
            keys->expected = index + 1;
            return name->field;
        }
    }
    return OTHER;
}

/* Up to the value. */
ALWAYS_INLINE bool
read_key(Cursor *cursor, Keys *keys, int *field)
{
    if (LIKELY(keys->expected < keys->count && cursor->end - cursor->at >= 16)) {
        const Name *name = &keys->names[keys->expected];
        uint64_t there[2], wanted[2];
        memcpy(there, cursor->at, 16);
        memcpy(wanted, name->text, 16);
        if (LIKELY((there[0] & name->low) == wanted[0] && (there[1] & name->high) == wanted[1])) {
            cursor->at += name->length;
            keys->expected++;
            *field = name->field;
            skip_space(cursor);
            return true;
        }
    }
    HnText key;
    if (!read_string(cursor, &key)) {
        return false;
    }
    *field = find_field(keys, key);
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
is_first(unsigned *seen, int field)
{
    bool first = !(*seen & 1u << field);
    *seen |= 1u << field;
    return first;
}

ALWAYS_INLINE bool
has_all(unsigned seen, unsigned needed)
{
    return (seen & needed) == needed;
}

/* ---- envelope ---- */

enum { CHANNEL, INST_ID, INST_TYPE };
static const Name arg_names[] = {
    NAME("channel", CHANNEL),
    NAME("instId", INST_ID),
    NAME("instType", INST_TYPE),
};

static bool
read_arg(Cursor *cursor, HnEnvelope *out)
{
    Keys keys = KEYS(arg_names);
    unsigned seen = 0;
    HnText inst_type;
    int field, state = read_opening(cursor, '{', '}');
    while (state == MORE) {
        bool fine;
        if (!read_key(cursor, &keys, &field)) {
            return false;
        }
        if (field == OTHER) {
            fine = skip_plain(cursor);
        }
        else {
            HnText *text = field == CHANNEL ? &out->channel : &out->inst_id;
            fine = is_first(&seen, field)
                   && read_string(cursor, field == INST_TYPE ? &inst_type : text);
        }
        if (!fine) {
            return false;
        }
        state = read_separator(cursor, '}');
    }
    return state == CLOSED && has_all(seen, 1u << CHANNEL | 1u << INST_ID);
}

/* The list from `cursor` to the bracket that closes it, by counting brackets; who reads the list
 * sees whether they match. */
static bool
find_list_end(Cursor *cursor)
{
    int depth = 0;
    HnText text;
    while (cursor->at < cursor->end) {
        char c = *cursor->at;
        if (c == '"') {
            if (!read_string(cursor, &text)) {
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

enum { ARG, ACTION, DATA, OF_AN_EVENT };
static const Name envelope_names[] = {
    NAME("arg", ARG),
    NAME("action", ACTION),
    NAME("data", DATA),
    /* Answers and announcements have these; what they are is Python's to say. */
    NAME("event", OF_AN_EVENT),
    NAME("code", OF_AN_EVENT),
    NAME("msg", OF_AN_EVENT),
    NAME("connId", OF_AN_EVENT),
    NAME("id", OF_AN_EVENT),
};

static bool
read_envelope_field(Cursor *cursor, int field, unsigned *seen, HnEnvelope *out)
{
    switch (field) {
    case ARG:
        return is_first(seen, field) && read_arg(cursor, out);
    case ACTION:
        return is_first(seen, field) && read_string(cursor, &out->action);
    case DATA:
        return is_first(seen, field) && read_data(cursor, &out->data);
    case OF_AN_EVENT:
        return false;
    default:
        return skip_plain(cursor);
    }
}

bool
hn_json_envelope(const char *text, size_t length, HnEnvelope *out)
{
    Cursor cursor = {text, text + length};
    Keys keys = KEYS(envelope_names);
    unsigned seen = 0;
    memset(out, 0, sizeof *out);
    while (cursor.end > text && is_space(cursor.end[-1])) {
        cursor.end--;
    }
    skip_space(&cursor);
    if (cursor.end - cursor.at < 2 || cursor.end[-1] != '}') {
        return false;
    }
    int field, state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        if (!read_key(&cursor, &keys, &field)
            || !read_envelope_field(&cursor, field, &seen, out)) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && cursor.at == cursor.end && has_all(seen, 1u << ARG | 1u << DATA);
}

/* ---- trades ---- */

enum { TRADE_ID, PX, SZ, SIDE, TS, COUNT, SOURCE, SEQ_ID, INSTRUMENT };
#define TRADE_NEEDS (1u << TRADE_ID | 1u << PX | 1u << SZ | 1u << SIDE | 1u << TS)
static const Name trade_names[] = {
    NAME("instId", INSTRUMENT), NAME("tradeId", TRADE_ID), NAME("px", PX),
    NAME("sz", SZ),             NAME("side", SIDE),        NAME("ts", TS),
    NAME("count", COUNT),       NAME("source", SOURCE),    NAME("seqId", SEQ_ID),
};

static const char buy[] = "\"buy\"", sell[] = "\"sell\"";

ALWAYS_INLINE bool
read_side(Cursor *cursor, int8_t *out)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left >= 6 && memcmp(cursor->at, sell, 6) == 0) {
        cursor->at += 6;
        *out = -1;
        return true;
    }
    if (left >= 5 && memcmp(cursor->at, buy, 5) == 0) {
        cursor->at += 5;
        *out = 1;
        return true;
    }
    return false;
}

/* The value of one key; what is not known is skipped. */
ALWAYS_INLINE bool
read_trade_field(Cursor *cursor, int field, HnTrade *out)
{
    int64_t number;
    switch (field) {
    case TRADE_ID:
        return read_whole(cursor, INT64_MAX, &out->trade_id);
    case PX:
        return read_amount(cursor, false, &out->price);
    case SZ:
        return read_amount(cursor, false, &out->size);
    case SIDE:
        return read_side(cursor, &out->side);
    case TS:
        return read_time_ns(cursor, &out->exchange_ts_ns);
    case COUNT:
        if (!read_whole(cursor, COUNT_MAX, &number) || number < 1) {
            return false;
        }
        out->count = (uint16_t)number;
        return true;
    case SOURCE:
        if (!read_whole(cursor, SOURCE_MAX, &number)) {
            return false;
        }
        out->order_source = (int8_t)number;
        return true;
    case SEQ_ID:
        return read_sequence(cursor, &out->seq_id);
    default:
        return skip_plain(cursor);
    }
}

ALWAYS_INLINE bool
read_trade(Cursor *cursor, HnTrade *out)
{
    Keys keys = KEYS(trade_names);
    unsigned seen = 0;
    int field, state = read_opening(cursor, '{', '}');
    out->seq_id = HN_NO_SEQUENCE;
    out->count = 1;
    out->order_source = 0;
    while (state == MORE) {
        if (!read_key(cursor, &keys, &field) || (field != OTHER && !is_first(&seen, field))
            || !read_trade_field(cursor, field, out)) {
            return false;
        }
        state = read_separator(cursor, '}');
    }
    return state == CLOSED && has_all(seen, TRADE_NEEDS);
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
/* In Python they mean nothing, however often they come; here they are where the others are. */
#define TICKER_UNREAD (TICKER_TS + 1)
static const Name ticker_names[] = {
    NAME("instType", TICKER_UNREAD), NAME("instId", TICKER_UNREAD),
    NAME("last", LAST),              NAME("lastSz", LAST_SZ),
    NAME("askPx", ASK_PX),           NAME("askSz", ASK_SZ),
    NAME("bidPx", BID_PX),           NAME("bidSz", BID_SZ),
    NAME("open24h", OPEN),           NAME("high24h", HIGH),
    NAME("low24h", LOW),             NAME("sodUtc0", TICKER_UNREAD),
    NAME("sodUtc8", TICKER_UNREAD),  NAME("volCcy24h", VOL_CCY),
    NAME("vol24h", VOL),             NAME("ts", TICKER_TS),
};

/* A number, or NaN for an empty string. */
ALWAYS_INLINE bool
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
    Keys keys = KEYS(ticker_names);
    unsigned seen = 0;
    for (int index = 0; index < TICKER_TS; index++) {
        out->numbers[index] = Py_NAN;
    }
    if (read_opening(&cursor, '[', ']') != MORE) {
        return false;
    }
    int field, state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        bool fine;
        if (!read_key(&cursor, &keys, &field)) {
            return false;
        }
        if (field < 0 || field > TICKER_TS) {
            fine = skip_plain(&cursor);
        }
        else if (field == TICKER_TS) {
            fine = is_first(&seen, field) && read_time_ns(&cursor, &out->exchange_ts_ns);
        }
        else {
            fine = is_first(&seen, field)
                   && read_ticker_number(&cursor, field, &out->numbers[field]);
        }
        if (!fine) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && has_all(seen, TICKER_NEEDS)
           && read_separator(&cursor, ']') == CLOSED && cursor.at == cursor.end;
}

/* ---- books ---- */

enum { ASKS, BIDS, BOOK_TS, CHECKSUM, BOOK_SEQ_ID, PREV_SEQ_ID };
#define BOOK_NEEDS (1u << ASKS | 1u << BIDS | 1u << BOOK_TS)
static const Name book_names[] = {
    NAME("asks", ASKS),         NAME("bids", BIDS),         NAME("ts", BOOK_TS),
    NAME("checksum", CHECKSUM), NAME("seqId", BOOK_SEQ_ID), NAME("prevSeqId", PREV_SEQ_ID),
};

static const char unused[] = ",\"0\"";

/* [price, size, ...]; what follows is skipped. */
ALWAYS_INLINE bool
read_level(Cursor *cursor, HnLevel *out)
{
    int state;
    if (read_opening(cursor, '[', ']') != MORE || !read_amount(cursor, false, &out->price)
        || read_separator(cursor, ']') != MORE || !read_amount(cursor, true, &out->size)) {
        return false;
    }
    /* Nearly all levels go on with a field that is out of use. */
    if (cursor->end - cursor->at >= 4 && memcmp(cursor->at, unused, 4) == 0) {
        cursor->at += 4;
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
read_book_field(Cursor *cursor, int field, HnBookMessage *out)
{
    int64_t checksum;
    switch (field) {
    case ASKS:
        return read_levels(cursor, out->asks, &out->ask_count);
    case BIDS:
        return read_levels(cursor, out->bids, &out->bid_count);
    case BOOK_TS:
        return read_time_ns(cursor, &out->exchange_ts_ns);
    case CHECKSUM:
        return read_whole(cursor, 0, &checksum);
    case BOOK_SEQ_ID:
        return read_sequence(cursor, &out->seq_id);
    case PREV_SEQ_ID:
        return read_sequence(cursor, &out->prev_seq_id);
    default:
        return skip_plain(cursor);
    }
}

bool
hn_json_book(HnText data, HnBookMessage *out)
{
    Cursor cursor = {data.start, data.start + data.length};
    Keys keys = KEYS(book_names);
    unsigned seen = 0;
    out->seq_id = out->prev_seq_id = HN_NO_SEQUENCE;
    if (read_opening(&cursor, '[', ']') != MORE) {
        return false;
    }
    int field, state = read_opening(&cursor, '{', '}');
    while (state == MORE) {
        if (!read_key(&cursor, &keys, &field) || (field != OTHER && !is_first(&seen, field))
            || !read_book_field(&cursor, field, out)) {
            return false;
        }
        state = read_separator(&cursor, '}');
    }
    return state == CLOSED && has_all(seen, BOOK_NEEDS)
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
