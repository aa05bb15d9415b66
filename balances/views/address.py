from django.http import HttpRequest, HttpResponse


def address(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponse()


def prefer_token(request: HttpRequest, token_id: int) -> HttpResponse:
    return HttpResponse()


def qr_code(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponse()
