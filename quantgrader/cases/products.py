"""Names that a task without products forbids: one list for all of them, of NumPy's and torch's.

No list is ever complete. So such a task says which modules its function may use as well: what
others bring, SciPy, say, need not be listed.
"""

__all__ = ["MATRIX_PRODUCTS", "MODULES", "PRODUCTS", "WAYS_ROUND"]

#: What sums up products: matrix products, convolutions, and all layers of torch.
MATRIX_PRODUCTS = (
    # NumPy, and torch where the names are the same
    "dot vdot vecdot matvec vecmat inner outer innerproduct outerproduct matmul einsum einsum_path "
    "tensordot kron linalg multi_dot convolve correlate cov corrcoef polymul polyval poly1d "
    "polynomial matrix asmatrix bmat average trapezoid "
    # torch
    "mm bmm mv ger addmm addmv addbmm baddbmm addr addmm_ addmv_ addbmm_ baddbmm_ addr_ smm spmm "
    "hsmm hspmm dsmm saddmm sspaddmm chain_matmul cdist linear bilinear conv1d conv2d conv3d "
    "conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution grouped_mm scaled_mm "
    "_int_mm _scaled_mm _grouped_mm scaled_dot_product_attention cosine_similarity nn functional"
)

#: What multiplies numbers one by one.
PRODUCTS = (
    "multiply multiply_ mul mul_ imul addcmul addcmul_ prod nanprod cumprod cumprod_ nancumprod "
    "sumprod cross fma __mul__ __rmul__ __imul__"
)

#: What reaches a function, or an operator, without its name.
WAYS_ROUND = (
    "eval exec compile getattr getattr_static vars globals locals attrgetter methodcaller "
    "inspect importlib import_module sys modules __import__ __builtins__ __dict__ "
    "__getattribute__ __matmul__ __rmatmul__ __imatmul__ quantlib"
)

#: Modules that such a function may use.
MODULES = "numpy torch math itertools functools collections struct"
