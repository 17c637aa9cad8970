/* The extension module hunter.native._kernel; hunter.native says what it is for. */
#include "kernel.h"

static int
kernel_exec(PyObject *module)
{
    if (hn_add_json(module) < 0 || hn_add_frames(module) < 0 || hn_add_records(module) < 0
        || hn_add_book(module) < 0 || hn_add_ring(module) < 0 || hn_add_fastpath(module) < 0
        || hn_add_stages(module) < 0 || hn_add_learner(module) < 0
        || hn_add_window(module) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot kernel_slots[] = {
    {Py_mod_exec, kernel_exec},
    {0, NULL},
};

static struct PyModuleDef kernel_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hunter.native._kernel",
    .m_doc = "The compiled half of hunter's data path.",
    .m_slots = kernel_slots,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    return PyModuleDef_Init(&kernel_module);
}
