"""What routers need of a library; each is kept in it, and made again only where weights or settings changed."""

from quiver._native import native


def arrow(library, recompute=False):
    """Arrow's prototypes (Ostapenko et al. 2024, section 4): the top right singular vector of every expert and
    layer. Returns how many experts were computed."""
    return native.arrow_prototypes(library, recompute)


def phatgoose(library, base, config, *, n_steps=50, learning_rate=1e-3, recompute=False):
    """Trains one gate per expert and layer (Muqeeth et al. 2024, section 3) on the rows of the config's data set
    that the experts were trained on. Returns how many experts were trained."""
    return native.phatgoose_gates(library, base._native, dict(config), n_steps, learning_rate, recompute)


def statistics(library, base, config, recompute=False):
    """How the base sees the experts' training prompts: what `prompt`, `average_activation` and priors read.
    Returns how many experts were computed."""
    return native.statistics(library, base._native, dict(config), recompute)
