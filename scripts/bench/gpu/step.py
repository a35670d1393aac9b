"""The same LoRA step in plain PyTorch: a decoder of random weights, low-rank adapters on its seven projections.

Reads one JSON object from a line of standard input (shape, groups, negatives, promptTokens, responseTokens, rank,
repeats, half, threads: 0 for PyTorch's choice), prints one: device, dtype, seconds a step, tokens, torch's version.
Every further line asks for one step more and is answered with its seconds, so that another program's can be timed in
turn. Every response goes through the model with its own prompt, as usual in PyTorch; logits are computed where a
response token is predicted. The loss is DPO's with the references given, as they are to us, or with no negatives SFT's.
"""
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

plan = json.loads(sys.stdin.readline())
if plan["threads"]:
    torch.set_num_threads(plan["threads"])
c = plan["shape"]
cuda = torch.cuda.is_available()
device = torch.device("cuda" if cuda else "cpu")
dtype = torch.float16 if plan["half"] and cuda else torch.float32
if cuda:
    torch.backends.cuda.matmul.allow_tf32 = True
torch.manual_seed(1)

H, D, KV, HEADS = c["hidden"], c["headDim"], c["kvHeads"], c["heads"]
RANK = plan["rank"]


def frozen(out, inner):
    return (torch.randn(out, inner, device=device) * 0.02).to(dtype)


class Projection:
    """x W^T + 2 (x A^T) B^T; A and B are trained."""

    def __init__(self, out, inner):
        self.weight = frozen(out, inner)
        self.a = ((torch.rand(RANK, inner, device=device) * 2 - 1) / math.sqrt(inner)).requires_grad_()
        self.b = torch.zeros(out, RANK, device=device).requires_grad_()

    def __call__(self, x):
        return x @ self.weight.T + 2 * ((x @ self.a.to(dtype).T) @ self.b.to(dtype).T)


def norm(x):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(dtype)


class Layer:
    def __init__(self):
        self.q = Projection(HEADS * D, H)
        self.k = Projection(KV * D, H)
        self.v = Projection(KV * D, H)
        self.o = Projection(H, HEADS * D)
        self.gate = Projection(c["mlp"], H)
        self.up = Projection(c["mlp"], H)
        self.down = Projection(H, c["mlp"])

    def parameters(self):
        for p in (self.q, self.k, self.v, self.o, self.gate, self.up, self.down):
            yield p.a
            yield p.b

    def __call__(self, x, cos, sin):
        n, t, _ = x.shape
        y = norm(x)

        def heads(z, count):
            return z.view(n, t, count, D).transpose(1, 2)

        def rotate(z):
            a, b = z.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        q, k, v = rotate(heads(self.q(y), HEADS)), rotate(heads(self.k(y), KV)), heads(self.v(y), KV)
        k, v = (z.repeat_interleave(HEADS // KV, 1) for z in (k, v))
        if hasattr(F, "scaled_dot_product_attention"):
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(D)
            future = torch.ones(t, t, dtype=torch.bool, device=device).triu(1)
            out = scores.masked_fill(future, float("-inf")).softmax(-1).to(dtype) @ v
        x = x + self.o(out.transpose(1, 2).reshape(n, t, HEADS * D))
        y = norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


table = frozen(c["vocab"], H)
layers = [Layer() for _ in range(c["layers"])]
parameters = [p for layer in layers for p in layer.parameters()]
optimiser = torch.optim.AdamW(parameters, lr=1e-6, weight_decay=0.0)

P, L, K, G = plan["promptTokens"], plan["responseTokens"], plan["negatives"], plan["groups"]
prompts = torch.randint(c["vocab"], (G, 1, P), device=device).expand(G, 1 + K, P)
responses = torch.randint(c["vocab"], (G, 1 + K, L), device=device)
ids = torch.cat([prompts, responses], -1).reshape(G * (1 + K), P + L)
angles = torch.arange(P + L - 1, device=device).float()[:, None] * (
    10000.0 ** (-torch.arange(0, D, 2, device=device).float() / D)
)
cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)


def logps():
    x = table[ids[:, :-1]]
    for layer in layers:
        x = layer(x, cos, sin)
    logits = (norm(x[:, P - 1 :]) @ table.T).float()
    token = logits.log_softmax(-1).gather(-1, ids[:, P:, None])
    return token.sum((1, 2)).view(G, 1 + K)


with torch.no_grad():
    references = logps() if K else None


def loss_of(sequences):
    if not K:
        return -sequences.mean() / L
    ratio = sequences - references
    return -F.logsigmoid(0.1 * (ratio[:, :1] - ratio[:, 1:])).mean()


def step():
    loss = loss_of(logps())
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    if cuda:
        torch.cuda.synchronize()
    return loss.item()


def timed():
    start = time.perf_counter()
    loss = step()
    assert math.isfinite(loss), loss
    return time.perf_counter() - start


step()
times = [timed() for _ in range(plan["repeats"])]
print(
    json.dumps(
        {
            "device": torch.cuda.get_device_name() if cuda else f"processor, {torch.get_num_threads()} threads",
            "dtype": str(dtype).removeprefix("torch."),
            "seconds": sorted(times)[len(times) // 2],
            "peakBytes": torch.cuda.max_memory_allocated() if cuda else None,
            "torch": torch.__version__,
        }
    ),
    flush=True,
)
for _ in sys.stdin:
    print(timed(), flush=True)
