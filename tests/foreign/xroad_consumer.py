"""Calls services through the simulated security server with pyxroad: the portal's own, and one that
fastapi-xroad-soap provides.

    xroad_consumer.py SAID     what `lgsp simulate national -o json` said
"""

import io
import json
import logging
import sys

import requests
from lxml import etree
from XRoad import XClient
from zeep.exceptions import Fault
from zeep.transports import Transport

with open(sys.argv[1]) as file:
    url = json.load(file)["url"]
failed = False
# The library logs every fault with its stack; what matters is printed here.
logging.disable(logging.CRITICAL)

CLIENT = "VN/GOV/000.00.00.H41/lgsp"
PORTAL = "VN/GOV/000.00.00.G22/vpcpdvcprovider"
XSD = "{http://www.w3.org/2001/XMLSchema}"
SCHEMAS = {
    "http://x-road.eu/xsd/xroad.xsd": "http://x-road.eu/xsd/xroad.xsd",
    "http://x-road.eu/xsd/identifiers.xsd": "http://x-road.eu/xsd/identifiers",
}


def check(good, what):
    global failed
    failed |= not good
    print(f"{'ok  ' if good else 'FAIL'} X-Road: {what}")


def wsdl_of(service):
    names = ["xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode"]
    answer = requests.get(f"{url}/wsdl", params=dict(zip(names, service.split("/"))), timeout=20)
    return answer.content


class Offline(Transport):
    """The schemas of X-Road's header, which WSDLs import from the Internet, from the portal's own WSDL."""

    def load(self, address):
        namespace = SCHEMAS.get(address)
        if namespace is None:
            return super().load(address)
        for schema in etree.parse(io.BytesIO(wsdl_of(f"{PORTAL}/traCuuDonVi"))).iter(f"{XSD}schema"):
            if schema.get("targetNamespace") == namespace:
                for imported in schema.iter(f"{XSD}import"):
                    imported.set("schemaLocation", "http://x-road.eu/xsd/identifiers.xsd")
                return etree.tostring(schema)
        raise LookupError(namespace)


class AtTheTop(Offline):
    """Names all namespaces at the envelope and leaves the declaration out: fastapi-xroad-soap reads nothing else."""

    PREFIXES = {
        "soapenv": "http://schemas.xmlsoap.org/soap/envelope/",
        "xro": "http://x-road.eu/xsd/xroad.xsd",
        "iden": "http://x-road.eu/xsd/identifiers",
        "own": "http://h41.example/hoSo",
    }

    def post_xml(self, address, envelope, headers):
        etree.cleanup_namespaces(envelope, top_nsmap=self.PREFIXES)
        return self.post(address, etree.tostring(envelope), headers)


def client(service, transport):
    return XClient(url, CLIENT, service, transport=transport)


portal = client(f"{PORTAL}/traCuuDonVi", Offline())
answer = portal.request(MaDonVi="000.00.00.H41")
check(answer["body"]["TenDonVi"] == "UBND Tỉnh Nghệ An", "pyxroad calls the portal's service")
header = answer["header"]
check(header["id"] == portal.id and header["client"]["memberCode"] == "000.00.00.H41", "its header comes back")
try:
    portal.request(MaDonVi="khong-co")
    check(False, "a body that is not there is a fault")
except Fault as fault:
    check("Không có đơn vị này" in str(fault), "the provider's own fault comes through")

own = client(f"{CLIENT}/TraCuuHoSo", AtTheTop())
answer = own.request(MaHoSo="H41.08-1")
body = answer["body"] if "body" in answer else answer
check(body["TrangThai"] == "Đã trả kết quả", "pyxroad calls what fastapi-xroad-soap provides, through the simulator")
for number, wanted, what in [
    ("1", "Kho hồ sơ đang bận", "a fault of fastapi-xroad-soap comes through"),
    # It comes with the status 400, which security servers take for no fault of SOAP.
    ("0", "status 400", "its other fault is an error of X-Road"),
]:
    try:
        own.request(MaHoSo=number)
        check(False, what)
    except Fault as fault:
        check(wanted in str(fault), what)
sys.exit(failed)
