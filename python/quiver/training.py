"""Training of experts."""

from quiver._native import native


def full_config(config):
    """Every key of an experiment config with its value: `config` over the defaults. Keys of mttl that mean
    something to mttl only are passed over; any other unknown key raises InvalidArgument with the nearest one."""
    return native.full_config(dict(config))


def train(config, base, library, *, joint=False, resume=False, replace=False, at_once=0, on_step=None, progress=False):
    """Trains one expert per task (per list of finetune_task_path; joint=True: one on all tasks), each put into the
    library as it ends, and computes how the base sees their prompts (the artefact "statistics").

    Args:
        config: a dict of config keys, mttl's among them: "dataset", "finetune_task_name", "num_train_epochs" or
            "total_steps", "learning_rate", "lora_rank", ...; full_config() shows all.
        base: a BaseModel.
        library: an ExpertLibrary.
        resume: pass over experts that are in the library, go on from checkpoints in output_dir.
        replace: put new experts in the place of old ones of the same name.
        at_once: trainings side by side; 0: one per thread, at most 8.
        on_step: called as on_step(expert, step, total, loss) after every optimizer step, one call at a time.
        progress: show a bar, where tqdm is installed.

    Returns:
        The names of the experts.

    Raises:
        KeyboardInterrupt: on Ctrl-C; checkpoints and finished experts are kept, resume=True goes on.
    """
    bar = None
    if progress:
        import tqdm.auto

        bar = tqdm.auto.tqdm(unit="step", desc="train")

    def tell(expert, step, total, loss):
        if bar is not None:
            bar.update(1)
            bar.set_postfix_str(f"{expert} loss {loss:.4f}", refresh=False)
        if on_step is not None:
            on_step(expert, step, total, loss)

    try:
        callback = tell if bar is not None or on_step is not None else None
        return native.train(dict(config), base._native, library, joint, resume, replace, at_once, callback)
    finally:
        if bar is not None:
            bar.close()
