/* What learns: the mixture of experts and P(move) of one horizon, as in hunter.brain.learning.experts, pool,
 * mixture and movement. The same operations in the same order as there, so the same bytes; exp, log
 * and sqrt are the C library's in both. Build with -ffp-contract=off: a fused multiply and add
 * rounds once where Python rounds twice. */
#include "kernel.h"
#include <math.h>
#include <string.h>

#define ODD 20  /* hunter.brain.window.features.ODD_COUNT */
#define EVEN 10 /* hunter.brain.window.features.EVEN_COUNT */
#define SIZE_MAX_OF_EXPERT ODD
#define BUILT_IN 4
#define OUTSIDE_MAX 16
#define EXPERTS_MAX (BUILT_IN + OUTSIDE_MAX)
#define DIGEST_BYTES 16

static const int expert_sizes[BUILT_IN] = {1, 14, 14, 20};
static const double weights_first[BUILT_IN] = {0.6, 0.16, 0.12, 0.12};

/* ---- numbers ---- */

static double
clipped(double value, double limit)
{
    if (value > limit) {
        return limit;
    }
    if (value < -limit) {
        return -limit;
    }
    return value == value ? value : 0.0;
}

static double
sigmoid(double log_odds)
{
    double upper = 1.0 / (1.0 + exp(-fabs(log_odds)));
    return log_odds >= 0.0 ? upper : 1.0 - upper;
}

static double
log_loss(double towards)
{
    if (towards >= 0.0) {
        return log(1.0 + exp(-towards));
    }
    return log(1.0 + exp(towards)) - towards;
}

/* At least `least` numbers of a sequence into `out`, which has room for `room`; how many the
 * sequence has, or -1 with an exception set. */
static Py_ssize_t
read_numbers(PyObject *sequence, double *out, Py_ssize_t room, Py_ssize_t least)
{
    PyObject *fast = PySequence_Fast(sequence, "a sequence of numbers is needed");
    if (fast == NULL) {
        return -1;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    if (count < least) {
        PyErr_Format(PyExc_IndexError, "%zd numbers where %zd are needed", count, least);
        Py_DECREF(fast);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count && i < room; i++) {
        out[i] = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(fast, i));
        if (out[i] == -1.0 && PyErr_Occurred()) {
            Py_DECREF(fast);
            return -1;
        }
    }
    Py_DECREF(fast);
    return count;
}

static PyObject *
tuple_of(const double *numbers, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (number == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, number);
    }
    return tuple;
}

/* State is little-endian; so is every machine this is built for (see hunter.ring). */
static char *
put_numbers(char *at, const double *numbers, int count)
{
    memcpy(at, numbers, (size_t)count * sizeof(double));
    return at + (size_t)count * sizeof(double);
}

static const char *
get_numbers(const char *at, double *numbers, int count)
{
    memcpy(numbers, at, (size_t)count * sizeof(double));
    return at + (size_t)count * sizeof(double);
}

static bool
are_finite(const char *at, Py_ssize_t bytes)
{
    for (Py_ssize_t i = 0; i + (Py_ssize_t)sizeof(double) <= bytes; i += sizeof(double)) {
        double number;
        memcpy(&number, at + i, sizeof(double));
        if (!isfinite(number)) {
            return false;
        }
    }
    return true;
}

/* ---- hunter.brain.learning.experts.LaplaceLogit ---- */

#define LOG_ODDS_MAX 30.0
#define INPUT_MAX 8.0
#define GROWTH 2e-4

typedef struct {
    int size;
    double mean[SIZE_MAX_OF_EXPERT];
    double ceiling[SIZE_MAX_OF_EXPERT];
    double covariance[SIZE_MAX_OF_EXPERT][SIZE_MAX_OF_EXPERT];
} Logit;

static void
logit_reset(Logit *self)
{
    memset(self->covariance, 0, sizeof self->covariance);
    for (int i = 0; i < self->size; i++) {
        self->covariance[i][i] = self->ceiling[i];
    }
}

/* From mean and precision, `size` doubles each. */
static const char *
logit_init(Logit *self, int size, const char *packed)
{
    self->size = size;
    packed = get_numbers(packed, self->mean, size);
    packed = get_numbers(packed, self->ceiling, size);
    for (int i = 0; i < size; i++) {
        self->ceiling[i] = 1.0 / self->ceiling[i];
    }
    logit_reset(self);
    return packed;
}

static double
logit_log_odds(const Logit *self, const double *x)
{
    double total = 0.0;
    for (int i = 0; i < self->size; i++) {
        total += self->mean[i] * x[i];
    }
    return clipped(total, LOG_ODDS_MAX);
}

static void
logit_widen(Logit *self, double weight)
{
    double factor = 1.0 + GROWTH * weight, root = sqrt(factor), roots[SIZE_MAX_OF_EXPERT];
    int size = self->size;
    if (GROWTH * weight <= 0.0) {
        return;
    }
    for (int i = 0; i < size; i++) {
        roots[i] = self->covariance[i][i] * factor <= self->ceiling[i] ? root : 1.0;
    }
    for (int i = 0; i < size; i++) {
        for (int j = 0; j < size; j++) {
            self->covariance[i][j] *= roots[i] * roots[j];
        }
    }
}

static void
logit_learn(Logit *self, const double *x, int move, double weight)
{
    double towards[SIZE_MAX_OF_EXPERT] = {0.0}, spread[SIZE_MAX_OF_EXPERT] = {0.0};
    int size = self->size;
    logit_widen(self, weight);
    for (int i = 0; i < size; i++) {
        towards[i] = x[i] * move;
    }
    double surprise = sigmoid(-logit_log_odds(self, towards));
    for (int j = 0; j < size; j++) {
        for (int i = 0; i < size; i++) {
            spread[i] += self->covariance[j][i] * towards[j];
        }
    }
    double variance = 0.0;
    for (int i = 0; i < size; i++) {
        variance += spread[i] * towards[i];
    }
    double curvature = weight * (surprise * (1.0 - surprise));
    double shrink = 1.0 + curvature * variance;
    double step = weight * surprise / shrink;
    double root = sqrt(curvature / shrink);
    for (int i = 0; i < size; i++) {
        self->mean[i] += step * spread[i];
        spread[i] = root * spread[i];
    }
    for (int i = 0; i < size; i++) {
        for (int j = 0; j < size; j++) {
            self->covariance[i][j] -= spread[i] * spread[j];
        }
    }
}

static Py_ssize_t
logit_state_bytes(const Logit *self)
{
    return (Py_ssize_t)sizeof(double) * (self->size + self->size * (self->size + 1) / 2);
}

static char *
logit_put(const Logit *self, char *at)
{
    at = put_numbers(at, self->mean, self->size);
    for (int i = 0; i < self->size; i++) {
        at = put_numbers(at, self->covariance[i], i + 1);
    }
    return at;
}

/* Finite numbers of the right count; false with ValueError set: a variance is not positive. */
static bool
logit_get(Logit *self, const char *at)
{
    at = get_numbers(at, self->mean, self->size);
    for (int i = 0; i < self->size; i++) {
        at = get_numbers(at, self->covariance[i], i + 1);
        for (int j = 0; j < i; j++) {
            self->covariance[j][i] = self->covariance[i][j];
        }
        if (!(self->covariance[i][i] > 0.0)) {
            PyErr_SetString(PyExc_ValueError, "a variance of the state is not positive");
            return false;
        }
    }
    return true;
}

/* ---- hunter.brain.learning.experts.Temperature ---- */

#define FACTOR_MIN 0.02
#define FACTOR_MAX 3.0

typedef struct {
    double factor;
    double precision;
} Temperature;

static void
temperature_learn(Temperature *self, double precision_max, double towards, double weight)
{
    double surprise = sigmoid(-(self->factor * towards));
    double curvature = surprise * (1.0 - surprise);
    double precision = self->precision + weight * (curvature * (towards * towards));
    if (precision > precision_max) {
        precision = precision_max;
    }
    self->precision = precision;
    double factor = self->factor + weight * (surprise * towards) / precision;
    if (factor < FACTOR_MIN) {
        factor = FACTOR_MIN;
    }
    self->factor = factor < FACTOR_MAX ? factor : FACTOR_MAX;
}

/* ---- hunter.brain.learning.pool and hunter.brain.learning.mixture ---- */

#define OUTSIDE_WEIGHT_FIRST 0.05
#define HEARD_ABOVE 0.1
#define UNHEARD_BELOW 0.025
#define TRIAL_LABELS 30.0
#define WEIGHTS_RATE 0.5
#define SHARE 3e-4
#define TEMPERATURE_PRECISION 10.0
#define TEMPERATURE_PRECISION_MAX 1000.0
#define LAST_PRECISION 200.0
#define LAST_PRECISION_MAX 1000.0
#define SCALED_MAX 3.0
#define SCALE_LABELS_FIRST 10.0
#define SCALE_LABELS_MAX 1000.0
#define SCALE_FLOOR 0.25
#define OUTLIER 10.0
#define QUEUE_FULL 0.9950547536867305

/* All that a state holds; a load fills a copy and takes it over when it is sound. */
typedef struct {
    uint32_t outside_count, heard, fallen_back;
    double scale_squares[ODD];
    double scale_labels;
    double weights[EXPERTS_MAX];
    double trial_labels[OUTSIDE_MAX];
    Temperature temperatures[EXPERTS_MAX + 1]; /* the last one is of the pool, at index `count` */
    Logit experts[BUILT_IN];
} Learnt;

typedef struct {
    PyObject_HEAD
    PyObject *assessment; /* the class of what assess gives */
    char digest[DIGEST_BYTES];
    double shares[EXPERTS_MAX];
    double scale_floors[ODD];
    Learnt is;
} HnMixture;

/* One vector and what the experts make of it. */
typedef struct {
    double x[ODD];
    double scaled[ODD];
    double spoken[EXPERTS_MAX]; /* NaN: silent */
    double tempered[EXPERTS_MAX];
    double votes[EXPERTS_MAX];
} Opinion;

static int
expert_count(const HnMixture *self)
{
    return BUILT_IN + (int)self->is.outside_count;
}

static void
mixture_votes(const HnMixture *self, const double *spoken, double *votes)
{
    int count = expert_count(self);
    double total = 0.0;
    for (int j = 0; j < count; j++) {
        bool heard = j < BUILT_IN || (self->is.heard >> (j - BUILT_IN) & 1);
        votes[j] = heard && spoken[j] == spoken[j] ? self->is.weights[j] : 0.0;
        total += votes[j];
    }
    for (int j = 0; j < count; j++) {
        votes[j] /= total;
    }
}

static void
mixture_temper(const HnMixture *self, const double *spoken, double *tempered)
{
    for (int j = 0; j < expert_count(self); j++) {
        tempered[j] = self->is.temperatures[j].factor * spoken[j];
    }
}

static double
mixture_pooled(const HnMixture *self, const double *votes, const double *tempered)
{
    double total = 0.0;
    for (int j = 0; j < expert_count(self); j++) {
        if (votes[j] > 0.0) {
            total += votes[j] * tempered[j];
        }
    }
    return total;
}

static double
mixture_last_factor(const HnMixture *self)
{
    return self->is.fallen_back ? 1.0 : self->is.temperatures[expert_count(self)].factor;
}

static double
queue_term(double imbalance)
{
    double size = fabs(imbalance), term;
    if (size != size) {
        return 0.0;
    }
    if (size >= QUEUE_FULL) {
        term = 0.5 * (size < 1.0 ? size : 1.0) + 1.0;
    }
    else {
        term = 0.5 * size + 0.5 * log((1.0 + size) / (1.0 - size)) / 3.0;
    }
    return imbalance >= 0.0 ? term : -term;
}

/* x and what the built-in experts say; `outside` as given. False with an exception set. */
static bool
mixture_hear(const HnMixture *self, PyObject *x, PyObject *outside, Opinion *out)
{
    if (read_numbers(x, out->x, ODD, ODD) < 0) {
        return false;
    }
    Py_ssize_t said = 0;
    double *spoken = out->spoken + BUILT_IN;
    if (outside != NULL) {
        said = read_numbers(outside, spoken, OUTSIDE_MAX, 0);
        if (said < 0) {
            return false;
        }
    }
    if (said != (Py_ssize_t)self->is.outside_count) {
        PyErr_SetString(PyExc_AssertionError, "one log-odds for each outside expert");
        return false;
    }
    for (Py_ssize_t i = 0; i < said; i++) {
        spoken[i] = spoken[i] == spoken[i] ? clipped(spoken[i], LOG_ODDS_MAX) : spoken[i];
    }
    out->scaled[0] = queue_term(out->x[0]);
    for (int i = 1; i < ODD; i++) {
        out->scaled[i] = clipped(out->x[i] / sqrt(self->is.scale_squares[i]), SCALED_MAX);
    }
    for (int j = 0; j < BUILT_IN; j++) {
        out->spoken[j] = logit_log_odds(&self->is.experts[j], out->scaled);
    }
    return true;
}

static void
mixture_weigh(const HnMixture *self, Opinion *out)
{
    mixture_temper(self, out->spoken, out->tempered);
    if (self->is.fallen_back) {
        memset(out->votes, 0, sizeof out->votes);
        out->votes[0] = 1.0;
    }
    else {
        mixture_votes(self, out->spoken, out->votes);
    }
}

static PyObject *
mixture_assess(HnMixture *self, PyObject *const *args, Py_ssize_t arg_count)
{
    Opinion opinion;
    if (arg_count < 1 || arg_count > 2) {
        PyErr_SetString(PyExc_TypeError, "assess(x, outside=())");
        return NULL;
    }
    if (!mixture_hear(self, args[0], arg_count > 1 ? args[1] : NULL, &opinion)) {
        return NULL;
    }
    mixture_weigh(self, &opinion);
    double together = mixture_pooled(self, opinion.votes, opinion.tempered);
    double log_odds = clipped(mixture_last_factor(self) * together, LOG_ODDS_MAX);
    PyObject *parts[4] = {
        PyFloat_FromDouble(log_odds),
        PyFloat_FromDouble(sigmoid(log_odds)),
        tuple_of(opinion.votes, expert_count(self)),
        tuple_of(opinion.spoken, BUILT_IN),
    };
    PyObject *made = NULL;
    if (parts[0] && parts[1] && parts[2] && parts[3]) {
        made = PyObject_Vectorcall(self->assessment, parts, 4, NULL);
    }
    for (int i = 0; i < 4; i++) {
        Py_XDECREF(parts[i]);
    }
    return made;
}

static PyObject *
mixture_contributions(HnMixture *self, PyObject *const *args, Py_ssize_t arg_count)
{
    Opinion opinion;
    if (arg_count < 1 || arg_count > 2) {
        PyErr_SetString(PyExc_TypeError, "contributions(x, outside=())");
        return NULL;
    }
    if (!mixture_hear(self, args[0], arg_count > 1 ? args[1] : NULL, &opinion)) {
        return NULL;
    }
    mixture_weigh(self, &opinion);
    double terms[ODD + OUTSIDE_MAX] = {0.0}, factor = mixture_last_factor(self);
    for (int j = 0; j < BUILT_IN; j++) {
        const Logit *expert = &self->is.experts[j];
        double share = factor * (opinion.votes[j] * self->is.temperatures[j].factor);
        for (int i = 0; i < expert->size; i++) {
            terms[i] += share * (expert->mean[i] * opinion.scaled[i]);
        }
    }
    int count = expert_count(self);
    for (int j = BUILT_IN; j < count; j++) {
        double vote = opinion.votes[j];
        terms[ODD + j - BUILT_IN] = factor * (vote > 0.0 ? vote * opinion.tempered[j] : 0.0);
    }
    return tuple_of(terms, ODD + count - BUILT_IN);
}

/* hunter.brain.learning.pool.Pool.learn */
static void
mixture_learn_weights(HnMixture *self, const double *tempered, double together, double weight)
{
    int count = expert_count(self);
    double losses[EXPERTS_MAX], least = INFINITY, total = 0.0, *weights = self->is.weights;
    for (int j = 0; j < count; j++) {
        losses[j] = log_loss(tempered[j] == tempered[j] ? tempered[j] : together);
        least = losses[j] < least ? losses[j] : least;
    }
    double rate = WEIGHTS_RATE * weight, share = SHARE * weight;
    for (int j = 0; j < count; j++) {
        weights[j] = weights[j] * exp(-(rate * (losses[j] - least)));
        total += weights[j];
    }
    for (int j = 0; j < count; j++) {
        weights[j] = (1.0 - share) * (weights[j] / total) + share * self->shares[j];
    }
    for (int j = BUILT_IN; j < count; j++) {
        int i = j - BUILT_IN;
        if (tempered[j] != tempered[j]) {
            continue;
        }
        self->is.trial_labels[i] += weight;
        uint32_t bit = (uint32_t)1 << i;
        bool heard = self->is.heard & bit
                         ? weights[j] >= UNHEARD_BELOW
                         : self->is.trial_labels[i] >= TRIAL_LABELS && weights[j] > HEARD_ABOVE;
        self->is.heard = heard ? self->is.heard | bit : self->is.heard & ~bit;
    }
}

static void
mixture_learn_scales(HnMixture *self, const double *x, double weight)
{
    double labels = self->is.scale_labels + weight;
    self->is.scale_labels = labels < SCALE_LABELS_MAX ? labels : SCALE_LABELS_MAX;
    double rate = weight / self->is.scale_labels;
    for (int i = 1; i < ODD; i++) {
        if (x[i] != x[i]) {
            continue;
        }
        double square = self->is.scale_squares[i], floor = self->scale_floors[i];
        double value = clipped(x[i], OUTLIER * sqrt(square));
        square += rate * (value * value - square);
        self->is.scale_squares[i] = square > floor ? square : floor;
    }
}

static void
mixture_take_label(HnMixture *self, const Opinion *opinion, int move, double weight)
{
    int count = expert_count(self);
    double towards[EXPERTS_MAX], tempered[EXPERTS_MAX], votes[EXPERTS_MAX];
    for (int j = 0; j < count; j++) {
        towards[j] = opinion->spoken[j] * move;
    }
    mixture_temper(self, towards, tempered);
    mixture_votes(self, towards, votes);
    double together = mixture_pooled(self, votes, tempered);
    mixture_learn_weights(self, tempered, together, weight);
    Temperature *temperatures = self->is.temperatures;
    temperature_learn(&temperatures[count], LAST_PRECISION_MAX, together, weight);
    for (int j = 0; j < count; j++) {
        if (towards[j] == towards[j]) {
            temperature_learn(&temperatures[j], TEMPERATURE_PRECISION_MAX, towards[j], weight);
        }
    }
    for (int j = 0; j < BUILT_IN; j++) {
        logit_learn(&self->is.experts[j], opinion->scaled, move, weight);
    }
    mixture_learn_scales(self, opinion->x, weight);
}

/* `move` of a label; 0 with an exception set when it is neither up nor down. */
static int
read_move(PyObject *number)
{
    long move = PyLong_AsLong(number);
    if (move == 1 || move == -1) {
        return (int)move;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_AssertionError,
                        "a window without a move teaches nothing about direction");
    }
    return 0;
}

static PyObject *
mixture_learn(HnMixture *self, PyObject *const *args, Py_ssize_t arg_count)
{
    Opinion opinion;
    if (arg_count < 4 || arg_count > 5) {
        PyErr_SetString(PyExc_TypeError, "learn(x, outside, move, weight, said=None)");
        return NULL;
    }
    int move = read_move(args[2]);
    double weight = PyFloat_AsDouble(args[3]);
    if (move == 0 || PyErr_Occurred() || !mixture_hear(self, args[0], args[1], &opinion)) {
        return NULL;
    }
    if (arg_count > 4 && args[4] != Py_None) {
        Py_ssize_t count = read_numbers(args[4], opinion.spoken, BUILT_IN, BUILT_IN);
        if (count < 0) {
            return NULL;
        }
        if (count > BUILT_IN) {
            PyErr_SetString(PyExc_ValueError, "said is of the built-in experts only");
            return NULL;
        }
    }
    mixture_take_label(self, &opinion, move, weight);
    Py_RETURN_NONE;
}

static PyObject *
mixture_fall_back(HnMixture *self, PyObject *on)
{
    int is_on = PyObject_IsTrue(on);
    if (is_on < 0) {
        return NULL;
    }
    self->is.fallen_back = (uint32_t)is_on;
    Py_RETURN_NONE;
}

static void
mixture_begin_weights(HnMixture *self)
{
    memcpy(self->is.weights, self->shares, sizeof self->shares);
}

static PyObject *
mixture_reset(HnMixture *self, PyObject *Py_UNUSED(none))
{
    int count = expert_count(self);
    for (int j = 0; j < BUILT_IN; j++) {
        logit_reset(&self->is.experts[j]);
    }
    for (int j = 0; j < count; j++) {
        self->is.temperatures[j].precision = TEMPERATURE_PRECISION;
    }
    self->is.temperatures[count].precision = LAST_PRECISION;
    mixture_begin_weights(self);
    Py_RETURN_NONE;
}

/* ---- a mixture's state ---- */

#define HEAD_BYTES (DIGEST_BYTES + 3 * (Py_ssize_t)sizeof(uint32_t))

static Py_ssize_t
mixture_state_bytes(const HnMixture *self)
{
    int count = expert_count(self), outside_count = (int)self->is.outside_count;
    int numbers = ODD + 1 + count + outside_count + 2 * (count + 1);
    Py_ssize_t bytes = HEAD_BYTES + (Py_ssize_t)sizeof(double) * numbers;
    for (int j = 0; j < BUILT_IN; j++) {
        bytes += logit_state_bytes(&self->is.experts[j]);
    }
    return bytes;
}

static PyObject *
mixture_state(HnMixture *self, PyObject *Py_UNUSED(none))
{
    PyObject *state = PyBytes_FromStringAndSize(NULL, mixture_state_bytes(self));
    if (state == NULL) {
        return NULL;
    }
    const Learnt *is = &self->is;
    int count = expert_count(self);
    uint32_t flags[3] = {is->outside_count, is->heard, is->fallen_back};
    char *at = PyBytes_AS_STRING(state);
    memcpy(at, self->digest, DIGEST_BYTES);
    memcpy(at + DIGEST_BYTES, flags, sizeof flags);
    at = put_numbers(at + HEAD_BYTES, is->scale_squares, ODD);
    at = put_numbers(at, &is->scale_labels, 1);
    at = put_numbers(at, is->weights, count);
    at = put_numbers(at, is->trial_labels, (int)is->outside_count);
    for (int j = 0; j <= count; j++) {
        at = put_numbers(at, &is->temperatures[j].factor, 1);
        at = put_numbers(at, &is->temperatures[j].precision, 1);
    }
    for (int j = 0; j < BUILT_IN; j++) {
        at = logit_put(&is->experts[j], at);
    }
    return state;
}

/* The doubles of a state into `is`; false with ValueError set when they make no sense. */
static bool
learnt_get(Learnt *is, int count, const char *at)
{
    at = get_numbers(at, is->scale_squares, ODD);
    at = get_numbers(at, &is->scale_labels, 1);
    at = get_numbers(at, is->weights, count);
    at = get_numbers(at, is->trial_labels, (int)is->outside_count);
    bool positive = is->scale_labels > 0.0;
    for (int i = 0; i < ODD; i++) {
        positive &= is->scale_squares[i] > 0.0;
    }
    for (int j = 0; j < count; j++) {
        positive &= is->weights[j] > 0.0;
    }
    for (int j = 0; j <= count; j++) {
        at = get_numbers(at, &is->temperatures[j].factor, 1);
        at = get_numbers(at, &is->temperatures[j].precision, 1);
        positive &= is->temperatures[j].precision > 0.0;
    }
    if (!positive) {
        PyErr_SetString(PyExc_ValueError, "a scale, weight or precision that is not positive");
        return false;
    }
    for (int j = 0; j < BUILT_IN; j++) {
        if (!logit_get(&is->experts[j], at)) {
            return false;
        }
        at += logit_state_bytes(&is->experts[j]);
    }
    return true;
}

static PyObject *
mixture_load(HnMixture *self, PyObject *state)
{
    char *bytes;
    Py_ssize_t length;
    uint32_t flags[3];
    if (PyBytes_AsStringAndSize(state, &bytes, &length) < 0) {
        return NULL;
    }
    if (length < HEAD_BYTES) {
        return PyErr_Format(PyExc_ValueError, "%zd bytes are no state of a mixture", length);
    }
    if (memcmp(bytes, self->digest, DIGEST_BYTES) != 0) {
        PyErr_SetString(PyExc_ValueError, "a state of a mixture that began from another prior");
        return NULL;
    }
    memcpy(flags, bytes + DIGEST_BYTES, sizeof flags);
    if (flags[0] != self->is.outside_count) {
        return PyErr_Format(PyExc_ValueError, "a state of %u outside experts, not %u", flags[0],
                            self->is.outside_count);
    }
    if (flags[1] >> self->is.outside_count || flags[2] > 1) {
        PyErr_SetString(PyExc_ValueError, "flags that no mixture has");
        return NULL;
    }
    if (length != mixture_state_bytes(self)) {
        return PyErr_Format(PyExc_ValueError, "%zd bytes of state where %zd belong", length,
                            mixture_state_bytes(self));
    }
    if (!are_finite(bytes + HEAD_BYTES, length - HEAD_BYTES)) {
        PyErr_SetString(PyExc_ValueError, "a number of the state is not finite");
        return NULL;
    }
    Learnt *found = PyMem_Malloc(sizeof *found);
    if (found == NULL) {
        return PyErr_NoMemory();
    }
    *found = self->is;
    found->heard = flags[1];
    found->fallen_back = flags[2];
    bool sound = learnt_get(found, expert_count(self), bytes + HEAD_BYTES);
    if (sound) {
        self->is = *found;
    }
    PyMem_Free(found);
    return sound ? Py_NewRef(Py_None) : NULL;
}

/* ---- a mixture's type ---- */

#define HORIZON_BYTES ((Py_ssize_t)sizeof(int64_t))

static void
mixture_begin(HnMixture *self, const char *packed)
{
    Learnt *is = &self->is;
    int count = expert_count(self);
    double built_in = 1.0 - OUTSIDE_WEIGHT_FIRST * (double)is->outside_count;
    packed = get_numbers(packed + HORIZON_BYTES, is->scale_squares, ODD);
    for (int i = 0; i < ODD; i++) {
        is->scale_squares[i] = is->scale_squares[i] * is->scale_squares[i];
        self->scale_floors[i] = SCALE_FLOOR * SCALE_FLOOR * is->scale_squares[i];
    }
    is->scale_labels = SCALE_LABELS_FIRST;
    for (int j = 0; j < BUILT_IN; j++) {
        packed = logit_init(&is->experts[j], expert_sizes[j], packed);
        self->shares[j] = built_in * weights_first[j];
    }
    for (int j = BUILT_IN; j < count; j++) {
        self->shares[j] = OUTSIDE_WEIGHT_FIRST;
    }
    for (int j = 0; j <= count; j++) {
        bool last = j == count;
        is->temperatures[j].factor = 1.0;
        is->temperatures[j].precision = last ? LAST_PRECISION : TEMPERATURE_PRECISION;
    }
    mixture_begin_weights(self);
}

static PyObject *
mixture_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"assessment", "prior", "digest", "outside_count", NULL};
    PyObject *assessment;
    const char *packed, *digest;
    Py_ssize_t packed_bytes, digest_bytes;
    int outside_count;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oy#y#i:Mixture", names, &assessment, &packed,
                                     &packed_bytes, &digest, &digest_bytes, &outside_count)) {
        return NULL;
    }
    int numbers = ODD;
    for (int j = 0; j < BUILT_IN; j++) {
        numbers += 2 * expert_sizes[j];
    }
    if (packed_bytes != HORIZON_BYTES + (Py_ssize_t)sizeof(double) * numbers
        || digest_bytes != DIGEST_BYTES) {
        PyErr_SetString(PyExc_ValueError, "not a packed prior and its digest");
        return NULL;
    }
    if (outside_count < 0 || outside_count > OUTSIDE_MAX) {
        return PyErr_Format(PyExc_ValueError, "%d outside experts; at most %d have room",
                            outside_count, OUTSIDE_MAX);
    }
    HnMixture *self = (HnMixture *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->assessment = Py_NewRef(assessment);
        memcpy(self->digest, digest, DIGEST_BYTES);
        self->is.outside_count = (uint32_t)outside_count;
        mixture_begin(self, packed);
    }
    return (PyObject *)self;
}

static void
mixture_dealloc(HnMixture *self)
{
    Py_XDECREF(self->assessment);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
mixture_outside_count(HnMixture *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(self->is.outside_count);
}

static PyGetSetDef mixture_members[] = {
    {"outside_count", (getter)mixture_outside_count, NULL, "How many outside experts.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) (PyCFunction)(void (*)(void))function

static PyMethodDef mixture_methods[] = {
    {"assess", FAST(mixture_assess), METH_FASTCALL, "P(up | move); changes nothing."},
    {"contributions", FAST(mixture_contributions), METH_FASTCALL, "Signed terms of the log-odds."},
    {"learn", FAST(mixture_learn), METH_FASTCALL, "The mid moved up (+1) or down (-1)."},
    {"fall_back", (PyCFunction)mixture_fall_back, METH_O, "Whether E0 speaks alone."},
    {"reset", (PyCFunction)mixture_reset, METH_NOARGS, "As unsure as at the start."},
    {"state", (PyCFunction)mixture_state, METH_NOARGS, "All that was learnt."},
    {"load", (PyCFunction)mixture_load, METH_O, "Continue from state(), or ValueError."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject HnMixture_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Mixture",
    .tp_basicsize = sizeof(HnMixture),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "hunter.brain.learning.mixture.Mixture.",
    .tp_new = mixture_new,
    .tp_dealloc = (destructor)mixture_dealloc,
    .tp_methods = mixture_methods,
    .tp_getset = mixture_members,
};

/* ---- hunter.brain.learning.movement ---- */

#define LOGARITHM_FROM 1e-3
#define MOVES_REMEMBERED 500.0
#define MOVE_BP_MAX 1e4

static const bool logarithms[EVEN] = {true, true, true, false, true, false, true};
static const double centers[EVEN] = {-3.7, -1.6, -1.35, -0.2, 3.0, 0.0, 3.3, 0.9, 0.65, 0.65};
static const double spreads[EVEN] = {1.0, 1.0, 0.8, 0.7, 1.0, 0.5, 0.6, 1.7, 0.3, 0.2};

typedef struct {
    PyObject_HEAD
    char digest[DIGEST_BYTES];
    double seen[2]; /* moves, mean of |move| in basis points */
    Logit logit;
} HnMovement;

static bool
movement_standard(PyObject *even, double *out)
{
    double taken[EVEN];
    Py_ssize_t count = read_numbers(even, taken, EVEN, EVEN);
    if (count < 0) {
        return false;
    }
    if (count != EVEN) {
        PyErr_Format(PyExc_ValueError, "%zd numbers where %d are needed", count, EVEN);
        return false;
    }
    out[0] = 1.0;
    for (int i = 0; i < EVEN; i++) {
        double value = taken[i];
        if (logarithms[i] && value == value) {
            value = log(value > LOGARITHM_FROM ? value : LOGARITHM_FROM);
        }
        out[i + 1] = clipped((value - centers[i]) / spreads[i], INPUT_MAX);
    }
    return true;
}

static PyObject *
movement_assess(HnMovement *self, PyObject *even)
{
    double x[EVEN + 1];
    if (!movement_standard(even, x)) {
        return NULL;
    }
    double answer[2] = {sigmoid(logit_log_odds(&self->logit, x)), self->seen[1]};
    return tuple_of(answer, 2);
}

static PyObject *
movement_learn(HnMovement *self, PyObject *const *args, Py_ssize_t arg_count)
{
    double x[EVEN + 1];
    if (arg_count != 4) {
        PyErr_SetString(PyExc_TypeError, "learn(even, moved, move_bp, weight)");
        return NULL;
    }
    int moved = PyObject_IsTrue(args[1]);
    double move_bp = moved < 0 ? -1.0 : PyFloat_AsDouble(args[2]);
    double weight = PyErr_Occurred() ? -1.0 : PyFloat_AsDouble(args[3]);
    if (PyErr_Occurred() || !movement_standard(args[0], x)) {
        return NULL;
    }
    logit_learn(&self->logit, x, moved ? 1 : -1, weight);
    if (moved) {
        double size_bp = fabs(clipped(move_bp, MOVE_BP_MAX));
        double moves = self->seen[0] + weight;
        self->seen[0] = moves < MOVES_REMEMBERED ? moves : MOVES_REMEMBERED;
        self->seen[1] += weight / self->seen[0] * (size_bp - self->seen[1]);
    }
    Py_RETURN_NONE;
}

static PyObject *
movement_reset(HnMovement *self, PyObject *Py_UNUSED(none))
{
    logit_reset(&self->logit);
    Py_RETURN_NONE;
}

static PyObject *
movement_state(HnMovement *self, PyObject *Py_UNUSED(none))
{
    Py_ssize_t seen_at = DIGEST_BYTES, logit_at = seen_at + (Py_ssize_t)sizeof self->seen;
    PyObject *state =
        PyBytes_FromStringAndSize(NULL, logit_at + logit_state_bytes(&self->logit));
    if (state != NULL) {
        char *at = PyBytes_AS_STRING(state);
        memcpy(at, self->digest, DIGEST_BYTES);
        put_numbers(at + seen_at, self->seen, 2);
        logit_put(&self->logit, at + logit_at);
    }
    return state;
}

static PyObject *
movement_load(HnMovement *self, PyObject *state)
{
    char *bytes;
    Py_ssize_t length, numbers_at = DIGEST_BYTES;
    Py_ssize_t logit_at = numbers_at + (Py_ssize_t)sizeof self->seen;
    if (PyBytes_AsStringAndSize(state, &bytes, &length) < 0) {
        return NULL;
    }
    if (length < DIGEST_BYTES || memcmp(bytes, self->digest, DIGEST_BYTES) != 0) {
        PyErr_SetString(PyExc_ValueError, "a state of P(move) that began from another prior");
        return NULL;
    }
    if (length != logit_at + logit_state_bytes(&self->logit)) {
        return PyErr_Format(PyExc_ValueError, "%zd bytes of state where %zd belong", length,
                            logit_at + logit_state_bytes(&self->logit));
    }
    if (!are_finite(bytes + numbers_at, length - numbers_at)) {
        PyErr_SetString(PyExc_ValueError, "a number of the state is not finite");
        return NULL;
    }
    double seen[2];
    Logit logit = self->logit;
    get_numbers(bytes + numbers_at, seen, 2);
    if (seen[0] < 0.0 || seen[1] < 0.0) {
        PyErr_SetString(PyExc_ValueError, "a count or size of moves below zero");
        return NULL;
    }
    if (!logit_get(&logit, bytes + logit_at)) {
        return NULL;
    }
    self->logit = logit;
    memcpy(self->seen, seen, sizeof seen);
    Py_RETURN_NONE;
}

static PyObject *
movement_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"prior", "digest", NULL};
    const char *packed, *digest;
    Py_ssize_t packed_bytes, digest_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y#y#:Movement", names, &packed,
                                     &packed_bytes, &digest, &digest_bytes)) {
        return NULL;
    }
    if (packed_bytes != HORIZON_BYTES + 2 * (EVEN + 1) * (Py_ssize_t)sizeof(double)
        || digest_bytes != DIGEST_BYTES) {
        PyErr_SetString(PyExc_ValueError, "not a packed prior and its digest");
        return NULL;
    }
    HnMovement *self = (HnMovement *)type->tp_alloc(type, 0);
    if (self != NULL) {
        memcpy(self->digest, digest, DIGEST_BYTES);
        logit_init(&self->logit, EVEN + 1, packed + HORIZON_BYTES);
    }
    return (PyObject *)self;
}

static void
movement_dealloc(HnMovement *self)
{
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef movement_methods[] = {
    {"assess", (PyCFunction)movement_assess, METH_O, "(P(move), E|move| in basis points)."},
    {"learn", FAST(movement_learn), METH_FASTCALL, "Whether the mid had moved, and how far."},
    {"reset", (PyCFunction)movement_reset, METH_NOARGS, "As unsure as at the start."},
    {"state", (PyCFunction)movement_state, METH_NOARGS, "All that was learnt."},
    {"load", (PyCFunction)movement_load, METH_O, "Continue from state(), or ValueError."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject HnMovement_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hunter.native._kernel.Movement",
    .tp_basicsize = sizeof(HnMovement),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "hunter.brain.learning.movement.Movement.",
    .tp_new = movement_new,
    .tp_dealloc = (destructor)movement_dealloc,
    .tp_methods = movement_methods,
};

int
hn_add_learner(PyObject *module)
{
    if (PyModule_AddType(module, &HnMixture_Type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, &HnMovement_Type);
}
