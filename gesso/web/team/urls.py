"""Addresses of a team's pages, of switching between workspaces, and of the link in an invitation."""

from django.urls import path

from gesso.web.team import approvals, inviting, joining, member, page, switching

urlpatterns = [
    path("team", page.page, name="team"),
    path("team/new", switching.new, name="team-new"),
    path("team/switch", switching.switch, name="team-switch"),
    path("team/name", page.rename, name="team-name"),
    path("team/limit", page.limit, name="team-limit"),
    path("team/leave", page.leave, name="team-leave"),
    path("team/members/<int:member_id>", member.page, name="team-member"),
    path("team/members/<int:member_id>/role", member.change_role, name="team-member-role"),
    path("team/members/<int:member_id>/allowance", member.allow, name="team-member-allowance"),
    path("team/members/<int:member_id>/remove", member.remove, name="team-member-remove"),
    path("team/members/<int:member_id>/owner", member.hand_over, name="team-member-owner"),
    path("team/invitations", inviting.invite, name="team-invite"),
    path("team/invitations/<int:invitation_id>/again", inviting.send_again, name="team-invitation-again"),
    path("team/invitations/<int:invitation_id>/revoke", inviting.revoke, name="team-invitation-revoke"),
    path("team/approvals", approvals.page, name="team-approvals"),
    path("team/<uuid:workspace_id>/approvals", approvals.of_team, name="team-approvals-of"),
    path("team/approvals/<uuid:request_id>/approve", approvals.approve, name="team-approve"),
    path("team/approvals/<uuid:request_id>/decline", approvals.decline, name="team-decline"),
    path("team/approvals/<uuid:request_id>/withdraw", approvals.withdraw, name="team-withdraw"),
    path("join/<str:secret>", joining.page, name="team-join"),
]
