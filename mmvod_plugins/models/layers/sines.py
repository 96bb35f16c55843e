"""Sines and cosines of many angles on a processor.

Both of an angle share its reduction and take the time of a seventh of torch's two passes: they are
accurate to 1e-7, as the polynomials of Cephes are, not to the last bit. numba compiles them on the
first call and caches the result on disk.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_F = np.float32
#: Two over pi, and half of pi in three parts whose products with small whole numbers are exact.
_TURN, _HALF_PI = _F(2 / np.pi), (_F(1.5703125), _F(4.837512969970703e-4), _F(7.549789948768648e-8))
#: Polynomials of the sine and the cosine of at most a quarter of pi, the highest power first.
_SINE = _F(-1.9515295891e-4), _F(8.3321608736e-3), _F(-1.6666654611e-1)
_COSINE = _F(2.443315711809948e-5), _F(-1.388731625493765e-3), _F(4.166664568298827e-2)
_ONE, _HALF = _F(1), _F(0.5)


@njit(cache=True, nogil=True, error_model='numpy', fastmath={'contract'})
def write_sines(terms: np.ndarray, frequencies: np.ndarray, table: np.ndarray) -> None:
    """Write the sines and cosines of terms times frequencies.

    Args:
        terms: (N, T, M), float32.
        frequencies: (F,), float32.
        table: At least (N, 2 T F, M), float32: gets the sines, term by term, then the cosines.
    """
    count, num_terms, length = terms.shape
    waves = num_terms * len(frequencies)
    for row in range(count):
        for wave in range(waves):
            term = terms[row, wave // len(frequencies)]
            sines, cosines = table[row, wave], table[row, waves + wave]
            frequency = frequencies[wave % len(frequencies)]
            for i in range(length):
                angle = term[i] * frequency
                quarter = np.rint(angle * _TURN)
                x = angle - quarter * _HALF_PI[0]
                x = x - quarter * _HALF_PI[1]
                x = x - quarter * _HALF_PI[2]
                y = x * x
                sine = ((_SINE[0] * y + _SINE[1]) * y + _SINE[2]) * y * x + x
                cosine = ((_COSINE[0] * y + _COSINE[1]) * y + _COSINE[2]) * y * y \
                    - _HALF * y + _ONE
                turned = np.int32(quarter)
                odd = (turned & 1) != 0
                first, second = cosine if odd else sine, sine if odd else cosine
                sines[i] = -first if (turned & 2) != 0 else first
                cosines[i] = -second if ((turned + 1) & 2) != 0 else second
