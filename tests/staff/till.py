"""Work that was paid for and cost something, made through the product's own doors, step by step in one transaction."""

from gesso.billing import fulfilment
from gesso.billing.models import Payment
from gesso.generations import attempts, leasing, outputs, settlement
from gesso.generations.models import Generation
from gesso.images import intake
from gesso.providers import protocol
from tests import world
from tests.billing import shop

# Of $5 text, $8 picture in and $30 picture out for a million tokens: 100 x 5 + 1,000 x 30 = 30,500 millionths.
USAGE = {"input_tokens": 100, "output_tokens": 1000, "input_tokens_details": {"text_tokens": 100}}
USED = 30_500
TABLE = 52_680  # a medium picture of 1024x1024 in the shipped catalogue


def buy(who: world.Person, **fields: object) -> Payment:
    """Return the payment of a pack of 200 credits for $8."""
    made = shop.order(who)
    fulfilment.apply("test", [shop.paid(made, **fields)])
    return Payment.objects.get(order=made)


def told_again(payment: Payment, **fields: object) -> None:
    """Let the gateway report this payment again."""
    fulfilment.apply("test", [shop.paid(payment.order, **fields)])


def as_if(payment: Payment, **fields: object) -> None:
    """Change what was agreed, as nothing but a test can."""
    with world.without_guards():
        Payment.objects.filter(id=payment.id).update(**fields)


def work(who: world.Person, *endings: str, model: str = "gpt-image-2", usage: dict | None = None, **settings):
    """Return an ended generation with an output for each ending: `delivered`, `withheld` or a kind of failure."""
    generation = world.submit(who, count=len(endings), **settings)
    Generation.objects.filter(id=generation.id).update(model=model, provider="openai")
    claim = leasing.claim(generation.id, "worker:1")
    assert isinstance(claim, leasing.Claim)
    steps, _ = attempts.begin(generation.id, claim.epoch, seconds=900)
    for step, ending in zip(steps, endings, strict=True):
        _end(step, ending, generation, claim.epoch, USAGE if usage is None else usage)
    if endings[-1] != "delivered":  # which ends it
        settlement.settle(generation.id, claim.epoch)
    generation.refresh_from_db()
    return generation


def _end(step, ending, generation, epoch, usage) -> None:
    picture = protocol.Picture(data=world.picture(), usage=usage)
    if ending == "delivered":
        proved = outputs.Proved(picture, intake.prove(picture.data), "req")
        image = outputs.store(generation, step.index, proved)
        attempts.delivered(step, generation.id, epoch, image, proved)
    elif ending == "withheld":
        attempts.withheld(step, generation.id, epoch, picture, ["violence"])
    else:
        attempts.failed(step, generation.id, epoch, protocol.ProviderFailure(ending, "x"))
