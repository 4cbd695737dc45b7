"""ristretto255 (RFC 9496) and CPace (draft-irtf-cfrg-cpace-21, CPACE-RISTR255-SHA512), in Python's integers."""

import hashlib

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P


def is_negative(x):
    return x % P & 1


def magnitude(x):
    x %= P
    return P - x if x & 1 else x


def sqrt_ratio(u, v):
    """Whether u/v is a square, and the root of it or of i times it."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check, i = v * r * r % P, pow(2, (P - 1) // 4, P)
    flipped, flipped_i = check == -u % P, check == -u * i % P
    if flipped or flipped_i:
        r = r * i % P
    return check == u % P or flipped, magnitude(r)


_, INVSQRT_A_MINUS_D = sqrt_ratio(1, (-1 - D) % P)
_, SQRT_AD_MINUS_ONE = sqrt_ratio((-D - 1) % P, 1)
if is_negative(SQRT_AD_MINUS_ONE) == 0:
    SQRT_AD_MINUS_ONE = P - SQRT_AD_MINUS_ONE  # the RFC's constant is the odd one


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decode(data):
    s = int.from_bytes(data, "little")
    if s >= P or is_negative(s):
        return None
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, root = sqrt_ratio(1, v * u2 * u2 % P)
    dx = root * u2 % P
    x, y = magnitude(2 * s * dx), u1 * root * dx * v % P
    t = x * y % P
    return (x, y, 1, t) if square and not is_negative(t) and y else None


def encode(point):
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    _, root = sqrt_ratio(1, u1 * u2 * u2 % P)
    d1, d2 = root * u1 % P, root * u2 % P
    z = d1 * d2 * t0 % P
    i = pow(2, (P - 1) // 4, P)
    if is_negative(t0 * z):
        x, y, d = y0 * i % P, x0 * i % P, d1 * INVSQRT_A_MINUS_D % P
    else:
        x, y, d = x0, y0, d2
    if is_negative(x * z):
        y = -y % P
    return magnitude(d * (z0 - y)).to_bytes(32, "little")


def elligator(data):
    i = pow(2, (P - 1) // 4, P)
    t = (int.from_bytes(data, "little") & (1 << 255) - 1) % P
    r = i * t * t % P
    u, v = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P
    square, s = sqrt_ratio(u, v)
    c = -1
    if not square:
        s, c = -magnitude(s * t) % P, r
    n = (c * (r - 1) * (D - 1) * (D - 1) - v) % P
    w0, w1, w2, w3 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P, (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def lv(*parts):
    out = b""
    for part in parts:
        size = len(part)
        while size > 127:
            out += bytes([size & 127 | 128])
            size >>= 7
        out += bytes([size]) + part
    return out


def generator(prs, ci, sid):
    label = b"CPaceRistretto255"
    padding = max(0, 128 - 1 - len(lv(prs)) - len(lv(label)))
    digest = hashlib.sha512(lv(label, prs, bytes(padding), ci, sid)).digest()
    return add(elligator(digest[:32]), elligator(digest[32:]))


def share(scalar, point):
    return encode(times(int.from_bytes(scalar, "little"), point))


def isk(sid, scalar, other, share_a, ad_a, share_b, ad_b):
    """Of the side with this scalar; nothing when the other's share is none."""
    point = decode(other)
    secret = share(scalar, point) if point else bytes(32)
    if secret == bytes(32):
        return None
    return hashlib.sha512(lv(b"CPaceRistretto255_ISK", sid, secret) + lv(share_a, ad_a) + lv(share_b, ad_b)).digest()
