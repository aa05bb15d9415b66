from django.http import HttpRequest, HttpResponse


def chain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
