"""The picture of a training: losses and validation score by epoch."""

from pathlib import Path

from matplotlib.ticker import MaxNLocator

from srscene import figures
from srscene.classify.checkpoint import History


def draw(history: History, title: str, path: Path) -> None:
    """Write `path` as PNG; the score is left out where no epoch was validated."""
    epochs = history.epochs
    validated = [epoch for epoch in epochs if epoch.val_loss is not None]
    scored = [epoch for epoch in epochs if epoch.val_macro_ap is not None]
    figure, axes = figures.plt.subplots(
        1, 2 if scored else 1, figsize=(8 if scored else 4, 3), squeeze=False, layout="constrained"
    )
    losses = axes[0, 0]
    for rows, attribute, colour in (
        (epochs, "train_loss", figures.GREY),
        (validated, "val_loss", figures.BLUE),
    ):
        if rows:
            values = [getattr(epoch, attribute) for epoch in rows]
            losses.plot([e.epoch for e in rows], values, "o-", ms=3, c=colour, label=attribute.split("_")[0])
    losses.set(title="Binary cross-entropy", xlabel="epoch")
    losses.set_ylim(bottom=0, top=1.1 * max(max(e.train_loss, e.val_loss or 0) for e in epochs))
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
        ax.set_xlim(0.5, len(epochs) + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    figures.save(figure, path)
