"""The nearest point of a hyperplane inside the pixel box, without sorting.

For the point x in [0, 1]^d and the plane {z: <w, z> = b}, find the smallest d (in the norm) with
x + d on the plane and in the box. In both norms the solution is monotone in one multiplier t >= 0:
each coordinate moves by t (Linf) or t |w_i| (L2) until it meets its bound, and the progress towards
the plane, g(t), is piecewise linear, increasing and concave. Newton's method from t = 0 therefore
never overshoots, and ends at the solution after as many steps as it meets new pieces; each costs
one pass over the coordinates, where the published algorithm sorts them.

A plane does not change when w and b are multiplied with one number, so both are first brought to
where w's largest entry is about 1.

Source: Croce & Hein 2020, arXiv 1907.02044 (the problem, solved there by
sorting).
"""

import torch
from torch import Tensor

from eval.lengths import leveller

N_NEWTON = 20
"""Steps at most. Each settles all coordinates that saturate before the current tangent's zero."""

FAR = 1e30
"""Beyond every bound, and finite: times zero it is zero."""


def project_plane_linf(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Smallest move in Linf: x, w (B, D), b (B,) -> d (B, D).

    Where the plane does not meet the box, the move towards it ends at the bounds.
    """
    w, b = _levelled(w, b)
    needed, room = _needed_and_room(x, w, b)
    speed = w.abs()
    t = torch.zeros_like(needed)
    for _ in range(N_NEWTON):
        is_free = room > t[:, None]
        done = torch.where(is_free, t[:, None], room).mul_(speed).sum(1)
        t, is_over = _newton(t, needed - done, (speed * is_free).sum(1))
        if is_over:
            break
    return torch.minimum(room, t[:, None]) * _towards(x, w, b)


def project_plane_l2(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Smallest move in L2: x, w (B, D), b (B,) -> d (B, D); see `project_plane_linf`."""
    w, b = _levelled(w, b)
    needed, room = _needed_and_room(x, w, b)
    speed = w.abs()
    t = torch.zeros_like(needed)
    for _ in range(N_NEWTON):
        reach = t[:, None] * speed
        is_free = room > reach
        done = torch.where(is_free, reach, room).mul_(speed).sum(1)
        t, is_over = _newton(t, needed - done, (speed.square() * is_free).sum(1))
        if is_over:
            break
    return torch.minimum(room, t[:, None] * speed) * _towards(x, w, b)


def _levelled(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    factor = leveller(w)
    return w * factor, (b * factor.squeeze(1)).clamp(-FAR, FAR)


def _needed_and_room(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """How far <w, x> is from b (B,), and how far each coordinate may move that way (B, D)."""
    gap = b - (w * x).sum(1)
    rises = (w * gap[:, None]) > 0
    return gap.abs(), torch.where(rises, 1 - x, x)


def _towards(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    gap = b - (w * x).sum(1)
    return w.sign() * gap.sign()[:, None]


def _newton(t: Tensor, missing: Tensor, slope: Tensor) -> tuple[Tensor, bool]:
    """The next t (B,), and whether no row moved by more than rounding does."""
    # A flat g means that every coordinate is at its bound: the plane is out of reach.
    step = torch.where(slope > 0, missing.clamp_min(0) / slope.clamp_min(1e-30), FAR)
    moved = torch.where(missing > 0, t + step, t).clamp_max(FAR)
    # Asking a GPU would cost more than the remaining steps.
    is_over = not t.is_cuda and not bool((moved > t * (1 + 1e-6)).any())
    return moved, is_over
