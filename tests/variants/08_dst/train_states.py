"""Answers to `train_states` of exercise 08."""


def moved_states(states, change, p, th, gates, odds):
    """Return the states after a step."""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = states + k + np.sign(change) * (gates < np.tanh(th * np.abs(steps - k)))
    m = np.minimum(np.abs(moved), 2.0**-p)
    low = np.where(m > 0, 2.0 ** np.floor(np.log2(np.maximum(m, 1))), 0)
    chosen = np.where(m == low, m, np.where(odds < 0.5, 2 * low, low))
    return (np.sign(moved) * chosen).astype(np.int8)


def gates_then_odds(rng, shapes):
    """Return the random numbers of all layers, as the text has it."""
    return [(rng.random(shape), rng.random(shape)) for shape in shapes]


def run(
    memory,
    images,
    labels,
    batches,
    p,
    th,
    rate,
    seed,
    draw=gates_then_odds,
    step=moved_states,
    unit=None,
    fresh=True,
    keep=True,
    count=1,
    first_step=1,
    move_biases=True,
    sign=1,
    momentum=None,
    generators=None,
    every=True,
):
    """Train for some steps, right unless an option says otherwise."""
    states, biases = list(memory["states"]), list(memory["biases"])
    moments = [list(memory["first"]), list(memory["second"])]
    t, layers = memory["steps"], len(states)
    shared = None if fresh else np.random.default_rng([seed, t])
    for batch in batches if every else batches[:1]:
        weights = [s * (2.0**p if unit is None else unit) for s in states]
        changes = []
        for i, g in enumerate(
            itertools.chain(*gradients(weights, biases, images[batch], labels[batch]))
        ):
            one, two = moments[0][i], moments[1][i]
            if not keep:
                one, two = 0 * g, 0 * g
            one, two, change = adam(one, two, g, t + first_step, rate)
            if momentum is not None:
                one, two, change = momentum(one, two, g, change)
            moments[0][i], moments[1][i] = one, two
            changes.append(sign * change)
        rng = shared
        if rng is None:
            rng = np.random.default_rng(generators(seed, t) if generators else [seed, t])
        numbers = draw(rng, [s.shape for s in states])
        states = [step(s, c, p, th, *d) for s, c, d in zip(states, changes, numbers, strict=False)]
        if move_biases:
            biases = [b + c for b, c in zip(biases, changes[layers:], strict=True)]
        t += count
    first, second = moments
    return {"states": states, "biases": biases, "first": first, "second": second, "steps": t}


def bytes_moved(states, change, p, th, gates, odds):
    """Return the states after a step whose sums are bytes."""
    steps = change / 2.0**p
    k = np.trunc(steps)
    units = k + np.sign(change) * (gates < np.tanh(th * np.abs(steps - k)))
    moved = states + units.astype(np.int64).astype(np.int8)
    return moved_states(moved, 0 * change, p, th, gates, odds)


def wrong_sums_of_8_bits(memory, images, labels, batches, p, th, rate, seed):
    """Message: where changes are larger than the whole range"""
    return run(memory, images, labels, batches, p, th, rate, seed, step=bytes_moved)


generators_of_steps = {}


def wrong_generators_go_on_in_the_next_call(memory, images, labels, batches, p, th, rate, seed):
    """Message: One step is right, but the states are wrong after four"""

    def kept(rng, shapes):
        state = str(rng.bit_generator.state)
        return gates_then_odds(generators_of_steps.setdefault(state, rng), shapes)

    return run(memory, images, labels, batches, p, th, rate, seed, draw=kept)


def wrong_real_copy_within(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong after four"""
    real = [s * 2.0**p for s in memory["states"]]
    found = dict(memory)
    for batch in batches:
        before = found
        found = run(before, images, labels, batch[None], p, th, rate, seed)
        moments = zip(found["first"], found["second"], strict=True)
        t = found["steps"]
        for i, (one, two) in zip(range(len(real)), moments, strict=False):
            size = np.sqrt(two / (1 - 0.999**t)) + 1e-8
            real[i] = np.clip(real[i] - rate * one / (1 - 0.9**t) / size, -1, 1)
        if t > 1:
            whole = [np.round(w / 2.0**p) for w in real]
            found["states"] = [
                np.where(np.isin(np.abs(w), [0, 1, 2, 4, 8, 16, 32, 64]), w, s).astype(np.int8)
                for w, s in zip(whole, found["states"], strict=True)
            ]
    return found


def wrong_real_copy_in_the_memory(memory, images, labels, batches, p, th, rate, seed):
    """Message: five keys"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "weights": [s * 2.0**p for s in found["states"]]}


def wrong_real_copy_among_the_states(memory, images, labels, batches, p, th, rate, seed):
    """Message: another number"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    found["states"] += [s * 2.0**p for s in found["states"]]
    return found


def wrong_states_as_floats(memory, images, labels, batches, p, th, rate, seed):
    """Message: must be arrays of int8"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "states": [s.astype(float) for s in found["states"]]}


def wrong_states_as_wide_integers(memory, images, labels, batches, p, th, rate, seed):
    """Message: must be arrays of int8"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "states": [s.astype(np.int64) for s in found["states"]]}


def wrong_weights_as_states(memory, images, labels, batches, p, th, rate, seed):
    """Message: must be arrays of int8"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "states": [s * 2.0**p for s in found["states"]]}


def wrong_states_as_lists(memory, images, labels, batches, p, th, rate, seed):
    """Message: must be arrays of int8"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "states": [s.tolist() for s in found["states"]]}


def wrong_gradients_at_the_states(memory, images, labels, batches, p, th, rate, seed):
    """Message: taken for the weights L s"""
    return run(memory, images, labels, batches, p, th, rate, seed, unit=1.0)


def wrong_all_images(memory, images, labels, batches, p, th, rate, seed):
    """Message: for the images of the batch"""
    every = np.tile(np.arange(len(labels)), (len(batches), 1))
    return run(memory, images, labels, every, p, th, rate, seed)


def wrong_first_batch_only(memory, images, labels, batches, p, th, rate, seed):
    """Message: number of steps is wrong after four"""
    return run(memory, images, labels, batches, p, th, rate, seed, every=False)


def wrong_same_batch_again(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong after four"""
    return run(memory, images, labels, batches[:1].repeat(len(batches), 0), p, th, rate, seed)


def wrong_steps_from_0(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong"""
    with np.errstate(all="ignore"):
        return run(memory, images, labels, batches, p, th, rate, seed, first_step=1e-9)


def wrong_steps_not_counted(memory, images, labels, batches, p, th, rate, seed):
    """Message: The number of steps is wrong"""
    return run(memory, images, labels, batches, p, th, rate, seed, count=0)


def wrong_moments_forgotten(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong after four"""
    return run(memory, images, labels, batches, p, th, rate, seed, keep=False)


def wrong_moments_start_anew(memory, images, labels, batches, p, th, rate, seed):
    """Message: where a run goes on"""
    zeros = {name: [0 * m for m in memory[name]] for name in ("first", "second")}
    return run({**memory, **zeros}, images, labels, batches, p, th, rate, seed)


def wrong_one_second_moment_a_layer(memory, images, labels, batches, p, th, rate, seed):
    """Message: second moments are wrong"""

    def one_number(one, two, g, change):
        return one, np.full(np.shape(two), np.mean(two)), change

    return run(memory, images, labels, batches, p, th, rate, seed, momentum=one_number)


def wrong_moments_of_half_precision(memory, images, labels, batches, p, th, rate, seed):
    """Message: moments are wrong"""

    def narrow(one, two, g, change):
        return one.astype(np.float16), two.astype(np.float16), change

    return run(memory, images, labels, batches, p, th, rate, seed, momentum=narrow)


def wrong_moments_exchanged(memory, images, labels, batches, p, th, rate, seed):
    """Message: first moments are wrong"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "first": found["second"], "second": found["first"]}


def wrong_moments_of_the_biases_first(memory, images, labels, batches, p, th, rate, seed):
    """Message: other shapes"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    layers = len(found["states"])
    for name in ("first", "second"):
        found[name] = found[name][layers:] + found[name][:layers]
    return found


def wrong_changes_in_the_moments(memory, images, labels, batches, p, th, rate, seed):
    """Message: first moments are wrong"""

    def kept(one, two, g, change):
        return change, two, change

    return run(memory, images, labels, batches, p, th, rate, seed, momentum=kept)


def wrong_plain_descent(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong"""

    def plain(one, two, g, change):
        return one, two, -rate * g

    return run(memory, images, labels, batches, p, th, rate, seed, momentum=plain)


def wrong_uphill(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong"""
    return run(memory, images, labels, batches, p, th, rate, seed, sign=-1)


def wrong_biases_stay(memory, images, labels, batches, p, th, rate, seed):
    """Message: The biases are wrong"""
    return run(memory, images, labels, batches, p, th, rate, seed, move_biases=False)


def wrong_biases_as_multiples_of_the_unit(memory, images, labels, batches, p, th, rate, seed):
    """Message: The biases are wrong"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    return {**found, "biases": [np.round(b / 2.0**p) * 2.0**p for b in found["biases"]]}


def wrong_one_gate_for_a_layer(memory, images, labels, batches, p, th, rate, seed):
    """Message: The states are wrong"""

    def one(rng, shapes):
        pairs = gates_then_odds(rng, shapes)
        return [(np.full(g.shape, g.flat[0]), o) for g, o in pairs]

    return run(memory, images, labels, batches, p, th, rate, seed, draw=one)


def wrong_odds_before_gates(memory, images, labels, batches, p, th, rate, seed):
    """Message: gates drawn before its odds"""

    def turned(rng, shapes):
        return [(g, o) for o, g in gates_then_odds(rng, shapes)]

    return run(memory, images, labels, batches, p, th, rate, seed, draw=turned)


def wrong_all_gates_before_all_odds(memory, images, labels, batches, p, th, rate, seed):
    """Message: gates drawn before its odds"""

    def apart(rng, shapes):
        gates = [rng.random(shape) for shape in shapes]
        return [(g, rng.random(g.shape)) for g in gates]

    return run(memory, images, labels, batches, p, th, rate, seed, draw=apart)


def wrong_last_layer_first(memory, images, labels, batches, p, th, rate, seed):
    """Message: The states are wrong"""

    def backwards(rng, shapes):
        return gates_then_odds(rng, shapes[::-1])[::-1]

    return run(memory, images, labels, batches, p, th, rate, seed, draw=backwards)


def wrong_one_number_for_gate_and_odds(memory, images, labels, batches, p, th, rate, seed):
    """Message: The states are wrong"""

    def same(rng, shapes):
        return [(g, g) for g in (rng.random(shape) for shape in shapes)]

    return run(memory, images, labels, batches, p, th, rate, seed, draw=same)


def wrong_one_generator_for_all_steps(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong after four"""
    return run(memory, images, labels, batches, p, th, rate, seed, fresh=False)


def wrong_generator_of_the_seed(memory, images, labels, batches, p, th, rate, seed):
    """Message: drawn anew"""
    return run(memory, images, labels, batches, p, th, rate, seed, generators=lambda s, t: s)


def wrong_generator_counts_from_1(memory, images, labels, batches, p, th, rate, seed):
    """Message: made of [seed, t]"""
    makes = lambda s, t: [s, t + 1]  # noqa: E731
    return run(memory, images, labels, batches, p, th, rate, seed, generators=makes)


def wrong_generator_of_a_sum(memory, images, labels, batches, p, th, rate, seed):
    """Message: drawn anew"""
    return run(memory, images, labels, batches, p, th, rate, seed, generators=lambda s, t: s + t)


def wrong_run_starts_at_0(memory, images, labels, batches, p, th, rate, seed):
    """Message: where a run goes on"""
    found = run({**memory, "steps": 0}, images, labels, batches, p, th, rate, seed)
    return {**found, "steps": memory["steps"] + found["steps"]}


def wrong_rounded_without_chance(memory, images, labels, batches, p, th, rate, seed):
    """Message: The states are wrong"""

    def nearest(s, c, p, th, gates, odds):
        return moved_states(s, np.round(c / 2.0**p) * 2.0**p, p, th, gates, odds)

    return run(memory, images, labels, batches, p, th, rate, seed, step=nearest)


def wrong_th_left_out(memory, images, labels, batches, p, th, rate, seed):
    """Message: The states are wrong"""

    def steep(s, c, p, th, gates, odds):
        return moved_states(s, c, p, 1.0, gates, odds)

    return run(memory, images, labels, batches, p, th, rate, seed, step=steep)


def wrong_arrays_changed(memory, images, labels, batches, p, th, rate, seed):
    """Message: changed in place"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    for old, new in zip(memory["states"], found["states"], strict=True):
        old[...] = new
    return found


def wrong_memory_filled(memory, images, labels, batches, p, th, rate, seed):
    """Message: changed in place"""
    memory.update(run(memory, images, labels, batches, p, th, rate, seed))
    return memory


def wrong_steps_left_out(memory, images, labels, batches, p, th, rate, seed):
    """Message: five keys"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    del found["steps"]
    return found


def wrong_not_trained(memory, images, labels, batches, p, th, rate, seed):
    """Message: moments are wrong"""
    return {**memory, "steps": memory["steps"] + len(batches)}


def wrong_last_layer_real(memory, images, labels, batches, p, th, rate, seed):
    """Message: must be arrays of int8"""
    found = run(memory, images, labels, batches, p, th, rate, seed)
    found["states"][-1] = found["states"][-1] * 2.0**p
    return found


def wrong_one_layer_after_the_other(memory, images, labels, batches, p, th, rate, seed):
    """Message: wrong"""
    for batch in batches:
        before = memory
        memory = run(before, images, labels, batch[None], p, th, rate, seed)
        if len(memory["states"]) > 1:
            half = {**before, "states": [memory["states"][0], *before["states"][1:]]}
            after = run(half, images, labels, batch[None], p, th, rate, seed)
            for name in ("states", "first", "second"):
                memory[name][1] = after[name][1]
    return memory


def wrong_only_adam_starts_anew(memory, images, labels, batches, p, th, rate, seed):
    """Message: where a run goes on"""
    start, early = memory["steps"], {**memory, "steps": 0}
    makes = lambda s, t: [s, t + start]  # noqa: E731
    found = run(early, images, labels, batches, p, th, rate, seed, generators=makes)
    return {**found, "steps": start + found["steps"]}


def right_step_by_step(memory, images, labels, batches, p, th, rate, seed):
    """One step after the other, each from a memory."""
    for batch in batches:
        memory = run(memory, images, labels, batch[None], p, th, rate, seed)
    return {name: memory[name] for name in ("steps", "second", "first", "biases", "states")}


def right_written_out(memory, images, labels, batches, p, th, rate, seed):
    """Adam and the step written out, layer by layer, on copies."""
    new = {name: [np.array(a) for a in memory[name]] for name in memory if name != "steps"}
    t, count = int(memory["steps"]), len(memory["states"])
    for batch in np.array(batches):
        of_weights, of_biases = gradients(
            [np.ldexp(s.astype(float), p) for s in new["states"]],
            new["biases"],
            np.array(images)[batch],
            np.array(labels)[batch],
        )
        rng = np.random.default_rng([seed, t])
        t = t + 1
        for i in range(2 * count):
            g = of_weights[i] if i < count else of_biases[i - count]
            new["first"][i] += (g - new["first"][i]) * (1 - 0.9)
            new["second"][i] += (g * g - new["second"][i]) * (1 - 0.999)
            mean = new["first"][i] / (1 - 0.9**t)
            change = -rate * mean / ((new["second"][i] / (1 - 0.999**t)) ** 0.5 + 1e-8)
            if i < count:
                numbers = rng.random(g.shape), rng.random(g.shape)
                new["states"][i] = moved_states(new["states"][i], change, p, th, *numbers)
            else:
                new["biases"][i - count] += change
    return {**new, "steps": t}


def right_tuples(memory, images, labels, batches, p, th, rate, seed):
    """Tuples and a NumPy integer; without a step the memory itself."""
    if len(batches) == 0:
        return memory
    after = run(memory, images, labels, batches, p, th, rate, seed)
    after = {key: value if key == "steps" else tuple(value) for key, value in after.items()}
    return {**after, "steps": np.int64(after["steps"])}


def right_as_the_text(memory, images, labels, batches, p, th, rate, seed):
    """In the order of the text, with function 5."""

    def by_function_5(s, c, p, th, gates, odds):
        return take_step(s, c, p, th, gates, odds)

    return run(memory, images, labels, batches, p, th, rate, seed, step=by_function_5)
