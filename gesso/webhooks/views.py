"""The door for gateways: one address each, open only while that gateway is configured."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from gesso.billing import registry
from gesso.billing.gateways import protocol
from gesso.webhooks import inbox


@csrf_exempt  # a gateway has no session; its signature is what counts
@require_POST
def receive(request: HttpRequest, gateway: str) -> HttpResponse:
    """Store what is proved and say so; 400 for a bad signature, 413 for too much, 404 for a gateway not in use."""
    till = registry.configured().get(gateway)
    if till is None or gateway == registry.TEST:
        raise Http404
    if len(request.body) > protocol.WEBHOOK_BYTES:
        return _refused(413, "too_large", f"A webhook has at most {protocol.WEBHOOK_BYTES:,} bytes.")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        inbox.receive(till, request.body, headers)
    except protocol.BadSignature:
        return _refused(400, "bad_signature", "This is not signed with the secret of this endpoint.")
    return HttpResponse(status=till.received)


def _refused(status: int, code: str, message: str) -> HttpResponse:
    return JsonResponse({"error": {"code": code, "message": message}}, status=status)
