"""The picture of a training: losses and validation score by epoch."""

from pathlib import Path

from srscene import figures
from srscene.classify.checkpoint import History


def draw(history: History, path: Path) -> None:
    """Write `path` as PNG; the score is left out where no epoch was validated."""
    epochs = history.epochs
    validated = [epoch for epoch in epochs if epoch.val_loss is not None]
    scored = [epoch for epoch in epochs if epoch.val_macro_ap is not None]
    figure, axes = figures.plt.subplots(
        1, 2 if scored else 1, figsize=(8 if scored else 4, 2.8), squeeze=False
    )
    losses = axes[0, 0]
    losses.plot(
        [e.epoch for e in epochs], [e.train_loss for e in epochs], "o-", ms=3, c=figures.GREY, label="train"
    )
    losses.plot(
        [e.epoch for e in validated], [e.val_loss for e in validated], "o-", ms=3, c=figures.BLUE, label="val"
    )
    losses.set(title="Binary cross-entropy", xlabel="epoch", ylim=(0, None))
    losses.legend()
    if scored:
        score = axes[0, 1]
        score.plot([e.epoch for e in scored], [e.val_macro_ap for e in scored], "o-", ms=3, c=figures.BLUE)
        best = history.best
        assert best is not None
        score.plot(
            [best.epoch], [best.val_macro_ap], "o", c=figures.ORANGE, label=f"kept: epoch {best.epoch}"
        )
        score.set(title="Macro average precision, validation", xlabel="epoch", ylim=(0, 1))
        score.legend()
    for ax in axes[0]:
        ax.grid(axis="y")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figures.save(figure, path)
