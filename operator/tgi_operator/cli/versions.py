"""`version`: this client, the operators of the cluster, and the CRD."""

import sys

from tgi_operator import __version__
from tgi_operator.api.identifiers import GROUP, PLURAL, VERSION
from tgi_operator.cli import machine_output, target
from tgi_operator.cli.command_line import Access, Failure
from tgi_operator.exit_codes import ExitCode
from tgi_operator.intake import Object
from tgi_operator.kube import APIError, Kube

_DEPLOYMENTS = "/apis/apps/v1/deployments"
_SELECTOR = "app.kubernetes.io/name=tgi-operator"
_CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}"


def version(access: Access, form: str | None) -> int:
    """Print the versions. Return the exit code, which is not 0 if the cluster cannot be reached."""
    found: Object = {"client": {"version": __version__, "api": f"{GROUP}/{VERSION}"}}
    problem = ""
    try:
        found |= target.run(_of_cluster(access))
    except Failure as failure:
        problem = failure.message
    if form is not None:
        machine_output.write(found, form)
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
    if problem:
        sys.stderr.write(f"{problem}\n")
    return ExitCode.FAILED if problem else ExitCode.SUCCESS


async def _of_cluster(access: Access) -> Object:
    async with target.connected(access) as kube:
        return {"operators": await _operators(kube), "crd": await _definition(kube)}


async def _operators(kube: Kube) -> list[Object] | str:
    try:
        found = await kube.items(_DEPLOYMENTS, labelSelector=_SELECTOR)
    except APIError as error:
        return str(error)
    return [operator(each) for each in found]


def operator(deployment: Object) -> Object:
    """Return the version data of an operator from its Deployment."""
    meta, status = deployment["metadata"], deployment.get("status") or {}
    return {
        "deployment": f"{meta['namespace']}/{meta['name']}",
        "version": (meta.get("labels") or {}).get("app.kubernetes.io/version"),
        "image": deployment["spec"]["template"]["spec"]["containers"][0]["image"],
        "ready": f"{status.get('readyReplicas', 0)}/{deployment['spec'].get('replicas', 1)}",
    }


async def _definition(kube: Kube) -> Object | str | None:
    try:
        found = await kube.get(_CRD)
    except APIError as error:
        return str(error)
    if found is None:
        return None
    served = [each["name"] for each in found["spec"]["versions"] if each["served"]]
    return {"name": found["metadata"]["name"], "versions": served}


def lines(found: Object) -> list[str]:
    """Return the versions for people."""
    client = found["client"]
    text = [f"Client: {client['version']} ({client['api']})"]
    if "crd" not in found:
        return text
    operators, crd = found["operators"], found["crd"]
    if isinstance(operators, str):
        text.append(f"Operator: unknown ({operators})")
    elif not operators:
        text.append(f"Operator: no Deployment with the label {_SELECTOR}")
    else:
        text += [
            f"Operator: {each['version'] or 'unknown'} ({each['deployment']}, {each['ready']} ready, {each['image']})"
            for each in operators
        ]
    if crd is None:
        text.append(f"CRD: none ({target.NO_CRD})")
    elif isinstance(crd, str):
        text.append(f"CRD: unknown ({crd})")
    else:
        known = "" if VERSION in crd["versions"] else f"; this client needs {VERSION}"
        text.append(f"CRD: {crd['name']}, {', '.join(crd['versions'])}{known}")
    return text
