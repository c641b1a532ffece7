"""The commands that `tgi-operator` and `kubectl tgi` share."""

from typing import Any

import click

from tgi_operator.cli.command_line import Access, Command, Group, cluster_options, output_option

_SHELLS = ("bash", "zsh", "fish")


def add_to(group: Group, name: str) -> None:
    """Add the shared commands to a group that users call `name`."""
    group.add_command(_plan(name))
    group.add_command(_version(name))
    group.add_command(_completion(group, name))


def _page(name: str, command: str) -> str:
    """Return the documentation of a command, which is in the section of the plugin's command."""
    return "" if name.startswith("kubectl") else f"docs/cli.md#kubectl-tgi-{command}"


def _plan(name: str) -> click.Command:
    @click.command(
        "plan",
        cls=Command,
        page=_page(name, "plan"),
        short_help="Show what the operator would do with a file (works offline).",
        examples=(
            f"{name} plan -f endpoint.yaml",
            f"{name} plan -f manifests/ --strict -o github",
            f"kubectl kustomize . | {name} plan -f - -o json",
        ),
    )
    @click.option(
        "-f",
        "--filename",
        required=True,
        metavar="FILE",
        help="YAML file, folder of YAML files, or - for standard input.",
    )
    @click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(("yaml", "json", "github")),
        default="yaml",
        show_default=True,
        help="Output format. github prints GitHub workflow annotations.",
    )
    @click.option("--strict", is_flag=True, help="Exit with code 1 if there are warnings.")
    @cluster_options
    def plan(access: Access, filename: str, form: str, *, strict: bool) -> int:
        """Show what the operator would do for the TGIEndpoints in FILE.

        Shows the AWS calls for SageMaker, the Kubernetes objects for pods, and the errors for an invalid resource.

        You do not need a cluster, an AWS account or credentials. The command reads only the default namespace from the
        kubeconfig. It reads the operator's settings from environment variables such as TGI_OPERATOR_AWS_REGIONS.
        """
        from tgi_operator.cli import kubeconfig
        from tgi_operator.cli.plan import plan as run

        return run(filename, kubeconfig.namespace(access), form, strict=strict)

    return plan


def _version(name: str) -> click.Command:
    @click.command(
        "version",
        cls=Command,
        page=_page(name, "version"),
        short_help="Show the versions of this client, the operators and the CRD.",
        examples=(f"{name} version", f"{name} version -o json"),
    )
    @output_option
    @cluster_options
    def version(access: Access, form: str | None) -> int:
        """Show the versions of this client, the operators in the cluster and the CRD."""
        from tgi_operator.cli.versions import version as run

        return run(access, form)

    return version


def _completion(group: Group, name: str) -> click.Command:
    program = name.replace(" ", "-")

    @click.command(
        "completion",
        cls=Command,
        page=_page(name, "completion"),
        short_help="Print a shell completion script.",
        examples=(
            f"source <({name} completion bash)",
            f"{name} completion fish > ~/.config/fish/completions/{program}.fish",
        ),
    )
    @click.argument("shell", type=click.Choice(_SHELLS), help="Name of the shell.")
    def completion(shell: str) -> None:
        """Print a shell completion script for commands and options."""
        from click.shell_completion import get_completion_class

        found: Any = get_completion_class(shell)
        click.echo(found(group, {}, program, variable(program)).source())

    return completion


def variable(program: str) -> str:
    """Return the environment variable with which a completion script requests completions from a program."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
