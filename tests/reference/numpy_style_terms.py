"""The style terms beside the Gram matrices in NumPy, float64, patch by patch and position by position.

Independent of nst_tf on purpose: nothing here is imported from it.
"""

import numpy as np


def moments_loss(f, s, floor=1e-5):
    """Feature maps [H, W, N] -> mean over channels of the squared differences of means and deviations."""
    f, s = (x.reshape(-1, x.shape[-1]) for x in (f, s))
    deviations = [np.sqrt(x.var(axis=0) + floor) for x in (f, s)]
    return np.mean((f.mean(0) - s.mean(0)) ** 2 + (deviations[0] - deviations[1]) ** 2)


def wasserstein_loss(f, s, ridge=1e-3, floor=1e-6):
    """The same -> the squared Wasserstein-2 distance of normal laws over N, by singular values instead of roots."""
    f, s = (x.reshape(-1, x.shape[-1]) for x in (f, s))
    added = (ridge * s.var(axis=0).mean() + floor) * np.eye(s.shape[1])
    cf, cs = (np.cov(x.T, bias=True).reshape(added.shape) + added for x in (f, s))
    # tr (A^1/2 C A^1/2)^1/2 is the sum of the singular values of A^1/2 C^1/2, here by Cholesky factors.
    trace = np.linalg.svd(np.linalg.cholesky(cs).T @ np.linalg.cholesky(cf), compute_uv=False).sum()
    return (np.sum((f.mean(0) - s.mean(0)) ** 2) + np.trace(cf) + np.trace(cs) - 2 * trace) / s.shape[1]


def corners(x, stride):
    return [(y, x_) for y in range(0, x.shape[0] - 2, stride) for x_ in range(0, x.shape[1] - 2, stride)]


def patch(x, corner):
    return x[corner[0] : corner[0] + 3, corner[1] : corner[1] + 3]


def matches(f, s, stride):
    """(corner in f, the patch of s that correlates best with the one there), by a look at every pair."""
    found = []
    for corner in corners(f, stride):
        own = patch(f, corner)
        correlations = [
            np.sum(own * other) / np.sqrt(np.sum(own**2) * np.sum(other**2))
            for other in (patch(s, place) for place in corners(s, stride))
        ]
        found.append((corner, patch(s, corners(s, stride)[int(np.argmax(correlations))])))
    return found


def counts(f, stride):
    """How many patches cover each position."""
    count = np.zeros(f.shape[:2])
    for y, x in corners(f, stride):
        count[y : y + 3, x : x + 3] += 1
    return count


def patch_loss(f, s, stride, form):
    """The loss, and its gradient with the matches held: a sum over patches, or one averaged over their overlaps."""
    count = counts(f, stride)[..., np.newaxis]
    loss, gradient = 0.0, np.zeros_like(f)
    for (y, x), other in matches(f, s, stride):
        place = np.s_[y : y + 3, x : x + 3]
        weight = 1 if form == "patch-sum" else 1 / count[place]
        difference = f[place] - other
        loss += np.sum(weight * difference**2) / 2
        gradient[place] += weight * difference
    scale = 2 / (np.sum(count > 0) * f.shape[2]) if form == "mean" else 1
    return loss * scale, gradient * scale
