cdef extern from "vector_kernels.h":
    ctypedef struct update_rule:
        double rate
        double momentum
        double beta_2
        double epsilon
        double penalty
        int nesterov
        int sparse

cdef update_rule rule_of(dict parameters) except *
