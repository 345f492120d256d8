"""A host name of your own for the stage, with its certificate, and the DNS records that lead to it."""

from __future__ import annotations

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from ..settings import Settings


class CustomDomain(Construct):
    """The name leads to the stage itself: no stage in the path, neither for browsers nor for the backend's posts."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        api: apigateway.IWebSocketApi,
        stage: apigateway.IStage,
    ) -> None:
        super().__init__(scope, construct_id)
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", settings.certificate)
        name = apigateway.DomainName(
            self,
            "Name",
            domain_name=settings.domain,
            certificate=certificate,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
            ip_address_type=apigateway.IpAddressType.DUAL_STACK if settings.ipv6 else None,
        )
        apigateway.ApiMapping(self, "Mapping", api=api, domain_name=name, stage=stage)
        self.target: str = name.regional_domain_name
        if settings.zone:
            zone = route53.HostedZone.from_hosted_zone_id(self, "Zone", settings.zone)
            properties = targets.ApiGatewayv2DomainProperties(self.target, name.regional_hosted_zone_id)
            for record in (route53.ARecord, route53.AaaaRecord) if settings.ipv6 else (route53.ARecord,):
                record(
                    self,
                    record.__name__,
                    zone=zone,
                    record_name=f"{settings.domain}.",  # complete: the name of the zone is not known here
                    target=route53.RecordTarget.from_alias(properties),
                )
