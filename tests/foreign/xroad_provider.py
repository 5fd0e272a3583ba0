"""A service of SOAP, provided with fastapi-xroad-soap: the status of a dossier.

    xroad_provider.py FILE     writes its port to the file when it listens
"""

import os
import socket
import sys

import uvicorn
from fastapi_xroad_soap import MessageBody, SoapService
from fastapi_xroad_soap.elements import String
from fastapi_xroad_soap.faults import ClientFault

service = SoapService(this_namespace="http://h41.example/hoSo")


class TraCuuHoSo(MessageBody, tag="TraCuuHoSo"):
    number = String(tag="MaHoSo")


class TraCuuHoSoResponse(MessageBody, tag="TraCuuHoSoResponse"):
    number = String(tag="MaHoSo")
    status = String(tag="TrangThai")


@service.action("TraCuuHoSo")
def look_up(body: TraCuuHoSo) -> TraCuuHoSoResponse:
    if body.number == "0":
        raise ClientFault("Không có hồ sơ này")
    if body.number == "1":
        raise RuntimeError("Kho hồ sơ đang bận")
    return TraCuuHoSoResponse(number=body.number, status="Đã trả kết quả")


with socket.socket() as listening:
    listening.bind(("127.0.0.1", 0))
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(listening.getsockname()[1]))
    listening.listen()
    # Whoever reads the port finds somebody who listens.
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    uvicorn.Server(uvicorn.Config(service, log_level="warning")).run(sockets=[listening])
