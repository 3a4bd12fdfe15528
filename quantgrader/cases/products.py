"""Names that a task without products forbids: one list for all of them, of NumPy's and torch's.

No list is ever complete. So such a task says which modules its function may use as well: what
others bring, SciPy, say, need not be listed.
"""

__all__ = ["MATRIX_PRODUCTS", "MODULES", "PRODUCTS", "QUOTIENTS_AND_POWERS", "WAYS_ROUND"]

#: What sums up products: matrix products, convolutions, and all layers of torch.
MATRIX_PRODUCTS = (
    # NumPy, and torch where the names are the same
    "dot vdot vecdot matvec vecmat inner outer innerproduct outerproduct matmul einsum einsum_path "
    "tensordot kron linalg multi_dot convolve correlate cov corrcoef polymul polyval poly1d "
    "poly polynomial Polynomial matrix asmatrix bmat average trapezoid trapz "
    # torch
    "mm bmm mv ger addmm addmv addbmm baddbmm addr addmm_ addmv_ addbmm_ baddbmm_ addr_ smm spmm "
    "hsmm hspmm dsmm saddmm sspaddmm chain_matmul cdist linear bilinear conv1d conv2d conv3d "
    "conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution grouped_mm scaled_mm "
    "_int_mm _scaled_mm _grouped_mm scaled_dot_product_attention cosine_similarity nn functional"
)

#: What multiplies numbers one by one.
PRODUCTS = (
    "multiply multiply_ mul mul_ imul addcmul addcmul_ prod nanprod cumprod cumprod_ nancumprod "
    "cumulative_prod sumprod cross vander fft ma interp fma __mul__ __rmul__ __imul__"
)

#: What divides or raises to a power, and so multiplies.
QUOTIENTS_AND_POWERS = (
    "divide divide_ div div_ true_divide true_divide_ floor_divide floor_divide_ divmod reciprocal "
    "reciprocal_ lcm power pow pow_ float_power float_power_ square square_ ldexp ldexp_ exp exp_ "
    "exp2 exp2_ expm1 expm1_ logaddexp logaddexp2 logspace geomspace __truediv__ __rtruediv__ "
    "__itruediv__ __floordiv__ __rfloordiv__ __divmod__ __pow__ __rpow__"
)

#: What reaches a function, or an operator, without its name.
WAYS_ROUND = (
    "eval exec compile getattr getattr_static vars globals locals attrgetter methodcaller "
    "inspect importlib import_module sys modules ctypes __import__ __builtins__ __dict__ "
    "__getattribute__ __matmul__ __rmatmul__ __imatmul__ quantlib"
)

#: Modules that such a function may use.
MODULES = "numpy torch math itertools functools collections struct"
