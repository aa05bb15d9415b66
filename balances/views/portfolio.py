from django.http import HttpRequest, HttpResponse


def portfolio(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def change_watch(request: HttpRequest, watch_id: int) -> HttpResponse:
    return HttpResponse()


def remove_watch(request: HttpRequest, watch_id: int) -> HttpResponse:
    return HttpResponse()
